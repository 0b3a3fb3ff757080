/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include <bpf/bpf.h>

#include "agent/sys/bpf_impl.h"

static int table(const struct clo_bpf *bpf, uint8_t family)
{
	return bpf->maps[family == 4 ? CLO_BPF_MAP_CONN4 : CLO_BPF_MAP_CONN6];
}

int clo_bpf_flow_find(struct clo_bpf *bpf, uint8_t family, const void *key,
		      struct clo_conn *ret_conn)
{
	struct clo_conn conn;
	int r = bpf_map_lookup_elem(table(bpf, family), key, &conn);

	if (r < 0)
		return r;

	*ret_conn = conn;
	return 0;
}

/* Nobody has spoken but who began it, once. */
static int is_untouched(const struct clo_conn *conn)
{
	return conn->packets[0] + conn->packets[1] == 1;
}

int clo_bpf_flow_expire(struct clo_bpf *bpf, uint8_t family, const void *key)
{
	struct clo_conn conn;
	int r = clo_bpf_flow_find(bpf, family, key, &conn);

	if (r < 0)
		return r;
	if (!is_untouched(&conn))
		return -EBUSY;
	conn.seen = 1;
	return bpf_map_update_elem(table(bpf, family), key, &conn, BPF_EXIST);
}
