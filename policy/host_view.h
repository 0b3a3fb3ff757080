/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <string.h>

#include "ebpf/lib/judge.h"
#include "policy/tables.h"

/*
 * ebpf/lib/judge.h over tables in memory. Read-only; tables that contradict
 * themselves give "no entry", never a read outside.
 */
struct clo_view {
	const struct clo_tables *tables;
};

CLO_INLINE const struct clo_addr *clo_view_addr(const struct clo_view *view,
						__u32 space, __u8 family,
						const __u8 *addr)
{
	struct clo_addr6_key key = {.space = space};

	/* The shorter key is the beginning of the longer one. */
	memcpy(key.addr, addr, family == 4 ? 4 : 16);
	return clo_tables_find(view->tables,
			       family == 4 ? CLO_TABLE_ADDR4 : CLO_TABLE_ADDR6,
			       &key);
}

/* Longest match by one exact look-up for each length, longest first. */
CLO_INLINE const __u32 *clo_view_cidr(const struct clo_view *view, __u8 family,
				      const __u8 *addr)
{
	enum clo_table t = family == 4 ? CLO_TABLE_CIDR4 : CLO_TABLE_CIDR6;
	struct clo_cidr6_key key = {.prefixlen = family == 4 ? 32 : 128};
	const __u32 *class;

	memcpy(key.addr, addr, family == 4 ? 4 : 16);
	for (;;) {
		class = clo_tables_find(view->tables, t, &key);
		if (class || key.prefixlen == 0)
			return class;
		key.prefixlen--;
		key.addr[key.prefixlen / 8] &=
			(__u8)(0xff00U >> (key.prefixlen % 8));
	}
}

CLO_INLINE __u32 clo_view_class(const struct clo_view *view, __u32 slot)
{
	const __u32 index = slot / 4;
	const struct clo_services *services =
		clo_tables_find(view->tables, CLO_TABLE_SERVICES, &index);

	return services ? services->class[slot % 4] : CLO_CLASS_NONE;
}

CLO_INLINE const __u32 *clo_view_row(const struct clo_view *view, __u32 src,
				     __u32 dst)
{
	const struct clo_pair pair = {src, dst};

	return clo_tables_find(view->tables, CLO_TABLE_PAIRS, &pair);
}

CLO_INLINE const __u64 *clo_view_word(const struct clo_view *view, __u32 index)
{
	return clo_tables_find(view->tables, CLO_TABLE_ROWS, &index);
}

CLO_INLINE __u32 clo_view_rule(const struct clo_view *view, __u32 index)
{
	const __u32 half = index / 2;
	const struct clo_rules *rules =
		clo_tables_find(view->tables, CLO_TABLE_RULES, &half);

	return rules ? rules->rule[index % 2] : 0;
}

CLO_INLINE __u32 clo_view_words(const struct clo_view *view)
{
	return view->tables->gen.words;
}
