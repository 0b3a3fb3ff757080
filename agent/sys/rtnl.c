/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sys/rtnl.h"

#include <assert.h>
#include <errno.h>
#include <linux/if_bridge.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include <netlink/msg.h>
#include <netlink/netlink.h>

#include "agent/sys/rtnl_impl.h"

/* A burst of thousands of taps fits; what does not is reported, not lost. */
#define EVENTS_BYTES (8 << 20)
#define MESSAGE_BYTES (64U << 10)
#define LIST_TRIES 8

struct clo_rtnl {
	void (*on_change)(const struct clo_link *link, bool gone,
			  void *userdata);
	void *userdata;
	struct nl_sock *events;
};

struct listing {
	struct clo_link *links;
	size_t n;
	int error;
};

/* The kernel bounds names; a longer one is not from it and is dropped. */
static void get_string(const struct nlattr *attr, char *text, size_t size)
{
	if (attr && nla_len(attr) > 0)
		(void)nla_strlcpy(text, attr, size);
}

static bool get_flag(struct nlattr *attr)
{
	return attr && nla_len(attr) == 1 && nla_get_u8(attr) != 0;
}

/* A port that says nothing of a flag has it off. */
static void parse_port(struct nlattr *attr, struct clo_link *link)
{
	struct nlattr *port[IFLA_BRPORT_MAX + 1] = {0};

	if (!attr || nla_parse_nested(port, IFLA_BRPORT_MAX, attr, NULL) < 0)
		return;

	link->unicast_flood = get_flag(port[IFLA_BRPORT_UNICAST_FLOOD]);
	link->group_flood = get_flag(port[IFLA_BRPORT_MCAST_FLOOD]) &&
			    get_flag(port[IFLA_BRPORT_BCAST_FLOOD]);
}

static void parse_kind(struct nlattr *attr, struct clo_link *link)
{
	struct nlattr *info[IFLA_INFO_MAX + 1] = {0};
	char master[sizeof(link->kind)] = "";

	if (!attr || nla_parse_nested(info, IFLA_INFO_MAX, attr, NULL) < 0)
		return;

	get_string(info[IFLA_INFO_KIND], link->kind, sizeof(link->kind));
	link->bridge = strcmp(link->kind, "bridge") == 0;
	get_string(info[IFLA_INFO_SLAVE_KIND], master, sizeof(master));
	if (strcmp(master, "bridge") == 0)
		parse_port(info[IFLA_INFO_SLAVE_DATA], link);
}

/* False for messages that are not about a link as such. */
static bool parse_link(struct nl_msg *msg, struct clo_link *ret_link)
{
	struct nlmsghdr *header = nlmsg_hdr(msg);
	struct nlattr *attrs[IFLA_MAX + 1] = {0};
	const struct ifinfomsg *info;
	struct clo_link link = {0};

	if (header->nlmsg_type != RTM_NEWLINK &&
	    header->nlmsg_type != RTM_DELLINK)
		return false;
	if (nlmsg_parse(header, sizeof(*info), attrs, IFLA_MAX, NULL) < 0)
		return false;
	info = nlmsg_data(header);
	/* AF_BRIDGE: a DELLINK there only says that a port left its bridge. */
	if (info->ifi_family != AF_UNSPEC || info->ifi_index <= 0)
		return false;

	link.ifindex = (uint32_t)info->ifi_index;
	link.up = (info->ifi_flags & IFF_UP) != 0;
	get_string(attrs[IFLA_IFNAME], link.name, sizeof(link.name));
	if (attrs[IFLA_MASTER] &&
	    nla_len(attrs[IFLA_MASTER]) == (int)sizeof(uint32_t))
		link.master = nla_get_u32(attrs[IFLA_MASTER]);
	if (attrs[IFLA_ADDRESS] &&
	    nla_len(attrs[IFLA_ADDRESS]) == (int)sizeof(link.mac))
		memcpy(link.mac, nla_data(attrs[IFLA_ADDRESS]),
		       sizeof(link.mac));
	parse_kind(attrs[IFLA_LINKINFO], &link);

	*ret_link = link;
	return true;
}

static int on_event(struct nl_msg *msg, void *userdata)
{
	struct clo_rtnl *rtnl = userdata;
	struct clo_link link;

	if (parse_link(msg, &link))
		rtnl->on_change(&link,
				nlmsg_hdr(msg)->nlmsg_type == RTM_DELLINK,
				rtnl->userdata);
	return NL_OK;
}

int clo_rtnl_error(int r)
{
	switch (-r) {
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_PERM:
	case NLE_NOACCESS:
		return -EPERM;
	case NLE_NODEV:
		return -ENODEV;
	case NLE_OBJ_NOTFOUND:
		return -ENOENT;
	case NLE_OPNOTSUPP:
		return -EOPNOTSUPP;
	default:
		return -EIO;
	}
}

static int events_open(struct clo_rtnl *rtnl)
{
	int bytes = EVENTS_BYTES;
	int r;

	rtnl->events = nl_socket_alloc();
	if (!rtnl->events)
		return -ENOMEM;
	nl_socket_disable_seq_check(rtnl->events);
	r = nl_socket_modify_cb(rtnl->events, NL_CB_VALID, NL_CB_CUSTOM,
				on_event, rtnl);
	if (r == 0)
		r = nl_connect(rtnl->events, NETLINK_ROUTE);
	if (r == 0)
		r = nl_socket_set_nonblocking(rtnl->events);
	if (r == 0)
		r = nl_socket_set_msg_buf_size(rtnl->events, MESSAGE_BYTES);
	if (r < 0)
		return clo_rtnl_error(r);
	/* Beyond rmem_max needs a capability; without it the limit it is. */
	if (setsockopt(nl_socket_get_fd(rtnl->events), SOL_SOCKET,
		       SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
		(void)setsockopt(nl_socket_get_fd(rtnl->events), SOL_SOCKET,
				 SO_RCVBUF, &bytes, sizeof(bytes));
	r = nl_socket_add_membership(rtnl->events, RTNLGRP_LINK);

	return r < 0 ? clo_rtnl_error(r) : 0;
}

int clo_rtnl_new(void (*on_change)(const struct clo_link *link, bool gone,
				   void *userdata),
		 void *userdata, struct clo_rtnl **ret_rtnl)
{
	CLO_AUTO(clo_rtnl) struct clo_rtnl *rtnl = NULL;
	int r;

	assert(on_change);
	rtnl = calloc(1, sizeof(*rtnl));
	if (!rtnl)
		return -ENOMEM;
	rtnl->on_change = on_change;
	rtnl->userdata = userdata;
	r = events_open(rtnl);
	if (r < 0)
		return r;

	*ret_rtnl = CLO_TAKE(rtnl);
	return 0;
}

void clo_rtnl_free(struct clo_rtnl *rtnl)
{
	if (!rtnl)
		return;

	nl_socket_free(rtnl->events);
	free(rtnl);
}

int clo_rtnl_fd(const struct clo_rtnl *rtnl)
{
	return nl_socket_get_fd(rtnl->events);
}

int clo_rtnl_dispatch(struct clo_rtnl *rtnl)
{
	int r;

	do
		r = nl_recvmsgs_default(rtnl->events);
	while (r >= 0);
	if (r == -NLE_AGAIN)
		return 0;

	/* libnl's name for ENOBUFS; out of memory loses an event as well. */
	return r == -NLE_NOMEM ? -ENOBUFS : clo_rtnl_error(r);
}

static int on_listed(struct nl_msg *msg, void *userdata)
{
	struct listing *listing = userdata;
	struct clo_link *larger;
	struct clo_link link;

	if (!parse_link(msg, &link))
		return NL_SKIP;

	larger = reallocarray(listing->links, listing->n + 1, sizeof(link));
	if (!larger) {
		listing->error = -ENOMEM;
		return NL_STOP;
	}
	larger[listing->n++] = link;
	listing->links = larger;
	return NL_OK;
}

static int list_request(struct nl_sock *socket)
{
	struct ifinfomsg info = {.ifi_family = AF_UNSPEC};
	struct nl_msg *msg;
	int r;

	msg = nlmsg_alloc_simple(RTM_GETLINK, NLM_F_DUMP);
	if (!msg)
		return -NLE_NOMEM;
	r = nlmsg_append(msg, &info, sizeof(info), NLMSG_ALIGNTO);
	/* Statistics only make messages long. */
	if (r == 0)
		r = nla_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	if (r == 0)
		r = nl_send_auto(socket, msg);
	nlmsg_free(msg);
	return r < 0 ? r : 0;
}

static int list_once(struct listing *listing)
{
	CLO_AUTO(socket) struct nl_sock *socket = NULL;
	int r;

	socket = nl_socket_alloc();
	if (!socket)
		return -NLE_NOMEM;
	r = nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, on_listed,
				listing);
	if (r == 0)
		r = nl_connect(socket, NETLINK_ROUTE);
	if (r == 0)
		r = nl_socket_set_msg_buf_size(socket, MESSAGE_BYTES);
	if (r == 0)
		r = list_request(socket);
	if (r == 0)
		r = nl_recvmsgs_default(socket);

	return r < 0 ? r : 0;
}

int clo_rtnl_list(struct clo_rtnl *rtnl, struct clo_link **ret_links,
		  size_t *ret_n)
{
	struct listing listing = {0};
	int r = -NLE_DUMP_INTR;

	(void)rtnl; /* a socket of its own: events stay in order on theirs */
	for (int i = 0; i < LIST_TRIES && r == -NLE_DUMP_INTR; i++) {
		free(listing.links);
		listing = (struct listing){0};
		r = list_once(&listing);
	}
	if (r < 0 || listing.error < 0) {
		free(listing.links);
		return listing.error < 0 ? listing.error : clo_rtnl_error(r);
	}

	*ret_links = listing.links;
	*ret_n = listing.n;
	return 0;
}
