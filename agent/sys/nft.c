/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sys/nft.h"

#include <errno.h>
#include <nftables/libnftables.h>
#include <string.h>

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
	nft_ctx_output_set_flags(
		nft->context, NFT_CTX_OUTPUT_JSON | NFT_CTX_OUTPUT_STATELESS |
				      NFT_CTX_OUTPUT_HANDLE);

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
