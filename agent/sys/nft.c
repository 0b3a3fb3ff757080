/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sys/nft.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <nftables/libnftables.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/base/log.h"

struct clo_nft {
	struct nft_ctx *context;
};

int clo_nft_new(struct clo_nft **ret_nft)
{
	CLO_AUTO(clo_nft) struct clo_nft *nft = calloc(1, sizeof(*nft));

	if (!nft)
		return -ENOMEM;
	nft->context = nft_ctx_new(NFT_CTX_DEFAULT);
	if (!nft->context || nft_ctx_buffer_output(nft->context) != 0 ||
	    nft_ctx_buffer_error(nft->context) != 0)
		return -ENOMEM;
	nft_ctx_output_set_flags(nft->context,
				 NFT_CTX_OUTPUT_JSON | NFT_CTX_OUTPUT_HANDLE);

	*ret_nft = CLO_TAKE(nft);
	return 0;
}

void clo_nft_free(struct clo_nft *nft)
{
	if (!nft)
		return;

	if (nft->context)
		nft_ctx_free(nft->context);
	free(nft);
}

/* The library says it in words only. */
static int reason(const char *text)
{
	if (strstr(text, "No such file or directory"))
		return -ENOENT;
	if (strstr(text, "Operation not supported") ||
	    strstr(text, "Protocol not supported"))
		return -EOPNOTSUPP;
	if (strstr(text, "Operation not permitted"))
		return -EPERM;
	return -EIO;
}

int clo_nft_run(struct clo_nft *nft, const char *commands)
{
	int r = nft_run_cmd_from_buffer(nft->context, commands);
	const char *text = nft_ctx_get_error_buffer(nft->context);

	(void)nft_ctx_get_output_buffer(nft->context);
	if (r == 0)
		return 0;
	r = reason(text);
	if (r == -EIO)
		clo_log(CLO_LOG_ERR, "nftables: %.*s", (int)strcspn(text, "\n"),
			text);
	return r;
}

int clo_nft_list(struct clo_nft *nft, const char *command, char **ret_json)
{
	int r = nft_run_cmd_from_buffer(nft->context, command);
	const char *json = nft_ctx_get_output_buffer(nft->context);
	const char *text = nft_ctx_get_error_buffer(nft->context);

	if (r != 0)
		return reason(text);
	*ret_json = strdup(json);
	return *ret_json ? 0 : -ENOMEM;
}

int clo_nft_watch(void)
{
	struct sockaddr_nl address = {.nl_family = AF_NETLINK};
	const int group = NFNLGRP_NFTABLES;
	CLO_AUTO_FD int fd = -1;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
		    NETLINK_NETFILTER);
	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group,
		       sizeof(group)) < 0)
		return -errno;
	return clo_take_fd(&fd);
}

/* Of family bridge, or it cannot be told. */
static bool concerns_bridges(struct nlmsghdr *header, size_t left)
{
	const struct nfgenmsg *message;

	while (NLMSG_OK(header, left)) {
		if (NLMSG_PAYLOAD(header, 0) < sizeof(*message))
			return true;
		message = NLMSG_DATA(header);
		if (message->nfgen_family == NFPROTO_BRIDGE)
			return true;
		header = NLMSG_NEXT(header, left);
	}
	return left > 0;
}

bool clo_nft_changed(int fd)
{
	_Alignas(struct nlmsghdr) char buffer[2048];
	bool changed = false;
	ssize_t n;

	do {
		n = recv(fd, buffer, sizeof(buffer), MSG_TRUNC);
		/* cut short, or some were lost: it cannot be told */
		if (n > (ssize_t)sizeof(buffer) || (n < 0 && errno == ENOBUFS))
			changed = true;
		else if (n > 0)
			changed |= concerns_bridges((void *)buffer, (size_t)n);
	} while (n > 0 || (n < 0 && (errno == EINTR || errno == ENOBUFS)));
	return changed;
}
