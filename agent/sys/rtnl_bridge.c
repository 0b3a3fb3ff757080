/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/if_bridge.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include <netlink/msg.h>
#include <netlink/netlink.h>

#include "agent/sys/rtnl.h"
#include "agent/sys/rtnl_impl.h"

/* Not learnt, no other port learns it away, not the bridge's own. */
#define FIXED_STATE NUD_NOARP
#define FIXED_FLAG NTF_STICKY

struct listing {
	struct clo_fdb *entries;
	size_t n;
	int error;
};

/* Send one request and wait for the kernel's answer; frees msg. */
static int ask(struct nl_msg *msg)
{
	CLO_AUTO(socket) struct nl_sock *socket = NULL;
	int r;

	socket = nl_socket_alloc();
	if (!socket) {
		nlmsg_free(msg);
		return -ENOMEM;
	}
	r = nl_connect(socket, NETLINK_ROUTE);
	if (r < 0)
		nlmsg_free(msg);
	else
		r = nl_send_sync(socket, msg); /* which frees it */
	return r < 0 ? clo_rtnl_error(r) : 0;
}

static int put_flags(struct nl_msg *msg, bool unicast)
{
	struct nlattr *info = nla_nest_start(msg, IFLA_LINKINFO);
	struct nlattr *data = NULL;
	int r = info ? nla_put_string(msg, IFLA_INFO_SLAVE_KIND, "bridge")
		     : -NLE_NOMEM;

	if (r == 0) {
		data = nla_nest_start(msg, IFLA_INFO_SLAVE_DATA);
		r = data ? nla_put_u8(msg, IFLA_BRPORT_UNICAST_FLOOD, unicast)
			 : -NLE_NOMEM;
	}
	if (r == 0)
		r = nla_put_u8(msg, IFLA_BRPORT_MCAST_FLOOD, 1);
	if (r == 0)
		r = nla_put_u8(msg, IFLA_BRPORT_BCAST_FLOOD, 1);
	if (r < 0)
		return r;

	(void)nla_nest_end(msg, data);
	(void)nla_nest_end(msg, info);
	return 0;
}

int clo_rtnl_flood_set(uint32_t ifindex, bool unicast)
{
	struct ifinfomsg link = {
		.ifi_family = AF_UNSPEC,
		.ifi_index = (int)ifindex,
	};
	struct nl_msg *msg;
	int r;

	msg = nlmsg_alloc_simple(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK);
	if (!msg)
		return -ENOMEM;
	r = nlmsg_append(msg, &link, sizeof(link), NLMSG_ALIGNTO);
	if (r == 0)
		r = put_flags(msg, unicast);
	if (r < 0) {
		nlmsg_free(msg);
		return clo_rtnl_error(r);
	}
	return ask(msg);
}

static int change(int type, int flags, uint32_t ifindex, const uint8_t mac[6])
{
	struct ndmsg neighbour = {
		.ndm_family = AF_BRIDGE,
		.ndm_ifindex = (int)ifindex,
		.ndm_state = FIXED_STATE,
		.ndm_flags = NTF_MASTER | FIXED_FLAG,
	};
	struct nl_msg *msg;
	int r;

	msg = nlmsg_alloc_simple(type, NLM_F_REQUEST | NLM_F_ACK | flags);
	if (!msg)
		return -ENOMEM;
	r = nlmsg_append(msg, &neighbour, sizeof(neighbour), NLMSG_ALIGNTO);
	if (r == 0)
		r = nla_put(msg, NDA_LLADDR, 6, mac);
	if (r < 0) {
		nlmsg_free(msg);
		return clo_rtnl_error(r);
	}
	return ask(msg);
}

int clo_rtnl_fdb_add(uint32_t ifindex, const uint8_t mac[6])
{
	return change(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, ifindex, mac);
}

int clo_rtnl_fdb_del(uint32_t ifindex, const uint8_t mac[6])
{
	return change(RTM_DELNEIGH, 0, ifindex, mac);
}

/* False for what was learnt and for what belongs to no bridge. */
static bool parse_entry(struct nl_msg *msg, struct clo_fdb *ret_entry)
{
	struct nlmsghdr *header = nlmsg_hdr(msg);
	struct nlattr *attrs[NDA_MAX + 1] = {0};
	const struct ndmsg *neighbour;

	if (header->nlmsg_type != RTM_NEWNEIGH ||
	    nlmsg_parse(header, sizeof(*neighbour), attrs, NDA_MAX, NULL) < 0)
		return false;
	neighbour = nlmsg_data(header);
	if (neighbour->ndm_family != AF_BRIDGE ||
	    neighbour->ndm_state != FIXED_STATE ||
	    !(neighbour->ndm_flags & FIXED_FLAG) || !attrs[NDA_MASTER] ||
	    !attrs[NDA_LLADDR] ||
	    nla_len(attrs[NDA_LLADDR]) != (int)sizeof(ret_entry->mac))
		return false;

	ret_entry->ifindex = (uint32_t)neighbour->ndm_ifindex;
	memcpy(ret_entry->mac, nla_data(attrs[NDA_LLADDR]),
	       sizeof(ret_entry->mac));
	return true;
}

static int on_entry(struct nl_msg *msg, void *userdata)
{
	struct listing *listing = userdata;
	struct clo_fdb *larger;
	struct clo_fdb entry;

	if (!parse_entry(msg, &entry))
		return NL_SKIP;
	larger = reallocarray(listing->entries, listing->n + 1, sizeof(entry));
	if (!larger) {
		listing->error = -ENOMEM;
		return NL_STOP;
	}
	larger[listing->n++] = entry;
	listing->entries = larger;
	return NL_OK;
}

int clo_rtnl_fdb_list(struct clo_fdb **ret_entries, size_t *ret_n)
{
	struct ndmsg all = {.ndm_family = AF_BRIDGE};
	CLO_AUTO(socket) struct nl_sock *socket = NULL;
	struct listing listing = {0};
	int r;

	socket = nl_socket_alloc();
	if (!socket)
		return -ENOMEM;
	r = nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, on_entry,
				&listing);
	if (r == 0)
		r = nl_connect(socket, NETLINK_ROUTE);
	if (r == 0)
		r = nl_send_simple(socket, RTM_GETNEIGH, NLM_F_DUMP, &all,
				   sizeof(all));
	if (r >= 0)
		r = nl_recvmsgs_default(socket);
	if (r >= 0 && listing.error == 0) {
		*ret_entries = listing.entries;
		*ret_n = listing.n;
		return 0;
	}
	free(listing.entries);
	return r < 0 ? clo_rtnl_error(r) : listing.error;
}
