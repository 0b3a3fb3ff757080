/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include <netlink/msg.h>
#include <netlink/netlink.h>

#include "agent/sys/rtnl.h"
#include "agent/sys/rtnl_impl.h"

struct dump {
	uint32_t ifindex;
	struct clo_filter *filters;
	size_t max;
	size_t n; /* seen; may exceed max */
};

static uint32_t program_id(const struct nlattr *options)
{
	struct nlattr *attrs[TCA_BPF_MAX + 1] = {0};

	/* nla_parse_nested() takes a non-const pointer, but only reads. */
	if (nla_parse(attrs, TCA_BPF_MAX, nla_data(options), nla_len(options),
		      NULL) < 0)
		return 0;
	if (!attrs[TCA_BPF_ID] ||
	    nla_len(attrs[TCA_BPF_ID]) != (int)sizeof(uint32_t))
		return 0;

	return nla_get_u32(attrs[TCA_BPF_ID]);
}

static int on_filter(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *header = nlmsg_hdr(msg);
	struct nlattr *attrs[TCA_MAX + 1] = {0};
	struct dump *dump = arg;
	struct clo_filter filter = {0};
	const struct tcmsg *tc;

	if (header->nlmsg_type != RTM_NEWTFILTER ||
	    nlmsg_parse(header, sizeof(*tc), attrs, TCA_MAX, NULL) < 0)
		return NL_SKIP;
	tc = nlmsg_data(header);
	/* Handle 0 is the priority level itself, not a filter on it. */
	if (tc->tcm_handle == 0 || (uint32_t)tc->tcm_ifindex != dump->ifindex)
		return NL_SKIP;

	filter.priority = tc->tcm_info >> 16;
	filter.handle = tc->tcm_handle;
	if (attrs[TCA_KIND] && attrs[TCA_OPTIONS] &&
	    nla_strcmp(attrs[TCA_KIND], "bpf") == 0)
		filter.prog_id = program_id(attrs[TCA_OPTIONS]);
	if (dump->n < dump->max)
		dump->filters[dump->n] = filter;
	dump->n++;
	return NL_OK;
}

static int request(struct nl_sock *socket, uint32_t ifindex, bool egress)
{
	struct tcmsg tc = {
		.tcm_family = AF_UNSPEC,
		.tcm_ifindex = (int)ifindex,
		.tcm_parent = TC_H_MAKE(TC_H_CLSACT, egress ? TC_H_MIN_EGRESS
							    : TC_H_MIN_INGRESS),
	};

	return nl_send_simple(socket, RTM_GETTFILTER, NLM_F_DUMP, &tc,
			      sizeof(tc));
}

int clo_rtnl_filters(uint32_t ifindex, bool egress,
		     struct clo_filter *ret_filters, size_t max, size_t *ret_n)
{
	CLO_AUTO(socket) struct nl_sock *socket = NULL;
	struct dump dump = {ifindex, ret_filters, max, 0};
	int r;

	socket = nl_socket_alloc();
	if (!socket)
		return -ENOMEM;
	r = nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, on_filter,
				&dump);
	if (r == 0)
		r = nl_connect(socket, NETLINK_ROUTE);
	if (r == 0)
		r = request(socket, ifindex, egress);
	if (r >= 0)
		r = nl_recvmsgs_default(socket);
	if (r < 0)
		return r == -NLE_NOMEM ? -ENOMEM : -EIO;
	if (dump.n > max)
		return -E2BIG;

	*ret_n = dump.n;
	return 0;
}
