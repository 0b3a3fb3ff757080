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

/*
 * Longest match not longer than prefixlen, by one exact look-up for each
 * length. addr has 4 or 16 bytes.
 */
static inline const __u32 *clo_tables_longest(const struct clo_tables *tables,
					      enum clo_table t,
					      const __u8 *addr, __u32 prefixlen)
{
	struct clo_cidr6_key key = {.prefixlen = prefixlen};
	const __u32 *class;
	__u32 bytes = (prefixlen + 7) / 8;

	memcpy(key.addr, addr, bytes);
	if (prefixlen % 8)
		key.addr[bytes - 1] &= (__u8)(0xff00U >> (prefixlen % 8));
	for (;;) {
		class = clo_tables_find(tables, t, &key);
		if (class || key.prefixlen == 0)
			return class;
		key.prefixlen--;
		key.addr[key.prefixlen / 8] &=
			(__u8)(0xff00U >> (key.prefixlen % 8));
	}
}

CLO_INLINE const __u32 *clo_view_cidr(const struct clo_view *view, __u8 family,
				      const __u8 *addr)
{
	return family == 4 ? clo_tables_longest(view->tables, CLO_TABLE_CIDR4,
						addr, 32)
			   : clo_tables_longest(view->tables, CLO_TABLE_CIDR6,
						addr, 128);
}

CLO_INLINE __u32 clo_view_class(const struct clo_view *view, __u32 slot)
{
	const __u32 index = slot / 4;
	const struct clo_services *services =
		clo_tables_find(view->tables, CLO_TABLE_SERVICES, &index);

	return services ? services->class[slot % 4] : CLO_CLASS_NONE;
}

CLO_INLINE const __u32 *clo_view_pair(const struct clo_view *view, __u32 src,
				      __u32 dst)
{
	const struct clo_pair pair = {src, dst};

	return clo_tables_find(view->tables, CLO_TABLE_PAIRS, &pair);
}

CLO_INLINE const struct clo_row *clo_view_row(const struct clo_view *view,
					      __u32 row)
{
	return clo_tables_find(view->tables, CLO_TABLE_ROWS, &row);
}

CLO_INLINE const __u64 *clo_view_word(const struct clo_view *view, __u32 index)
{
	return clo_tables_find(view->tables, CLO_TABLE_WORDS, &index);
}

CLO_INLINE const __u32 *clo_view_rule(const struct clo_view *view, __u32 row,
				      __u32 class)
{
	const struct clo_rule_key key = {row, class};

	return clo_tables_find(view->tables, CLO_TABLE_RULES, &key);
}

CLO_INLINE __u32 clo_view_words(const struct clo_view *view)
{
	return view->tables->gen.words;
}
