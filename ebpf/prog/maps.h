/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/* The maps of the guard; include after linux/bpf.h. User space pins them. */

#include <bpf/bpf_helpers.h>

#include "cloison/abi.h"
#include "ebpf/lib/conn.h"
#include "ebpf/lib/frag.h"
#include "ebpf/lib/frame.h"

/*
 * Inner maps: the template's max_entries stands for any. Array maps may be
 * of any size (INNER_MAP) and are written and read back by mmap.
 */
#define CLO_INNER_HASH(key, value)                                             \
	__array(                                                               \
		values, struct {                                               \
			__uint(type, BPF_MAP_TYPE_HASH);                       \
			__uint(max_entries, 1);                                \
			__uint(key_size, sizeof(key));                         \
			__uint(value_size, sizeof(value));                     \
		})
#define CLO_INNER_LPM(key, value)                                              \
	__array(                                                               \
		values, struct {                                               \
			__uint(type, BPF_MAP_TYPE_LPM_TRIE);                   \
			__uint(max_entries, 1);                                \
			__uint(map_flags, BPF_F_NO_PREALLOC);                  \
			__uint(key_size, sizeof(key));                         \
			__uint(value_size, sizeof(value));                     \
		})
#define CLO_INNER_ARRAY(key, value)                                            \
	__array(                                                               \
		values, struct {                                               \
			__uint(type, BPF_MAP_TYPE_ARRAY);                      \
			__uint(max_entries, 1);                                \
			__uint(map_flags, BPF_F_INNER_MAP | BPF_F_MMAPABLE);   \
			__uint(key_size, sizeof(key));                         \
			__uint(value_size, sizeof(value));                     \
		})
#define CLO_OUTER_MAP(name, kind, key, value)                                  \
	struct {                                                               \
		__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);                      \
		__uint(max_entries, 2);                                        \
		__uint(key_size, sizeof(__u32));                               \
		CLO_INNER_##kind(key, value);                                  \
	} clo_##name SEC(".maps");

#define X(NAME, name, kind, key, value) CLO_OUTER_MAP(name, kind, key, value)
CLO_TABLES(X)
#undef X
CLO_OUTER_MAP(hits, ARRAY, __u32, struct clo_hits)

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE); /* for one atomic store */
	__type(key, __u32);
	__type(value, struct clo_live);
} clo_live SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct clo_gen);
} clo_gens SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CLO_PORTS_NEAR);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct clo_port);
} clo_ports SEC(".maps");

/* A hash of few entries that grows as it is needed. */
#define CLO_SMALL_HASH(name, key_type, value_type)                             \
	struct {                                                               \
		__uint(type, BPF_MAP_TYPE_HASH);                               \
		__uint(max_entries, 65536);                                    \
		__uint(map_flags, BPF_F_NO_PREALLOC);                          \
		__type(key, key_type);                                         \
		__type(value, value_type);                                     \
	} clo_##name SEC(".maps");

CLO_SMALL_HASH(ports_far, __u32, struct clo_port)
CLO_SMALL_HASH(local, __u32, __u32)
CLO_SMALL_HASH(accounts, __u64, struct clo_account)
CLO_SMALL_HASH(frags, struct clo_frag_key, struct clo_frag)

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CLO_METERS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct clo_meter);
} clo_meters SEC(".maps");

/* No LRU: what is full refuses, nobody pushes out another's flow. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 262144);
	__type(key, struct clo_conn4_key);
	__type(value, struct clo_conn);
} clo_conn4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 262144);
	__type(key, struct clo_conn6_key);
	__type(value, struct clo_conn);
} clo_conn6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct clo_drop_key);
	__type(value, __u64);
} clo_drops SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} clo_events SEC(".maps");

/*
 * What a decision writes, in memory of which the verifier assumes nothing: on
 * the stack each way through the parser would be verified on its own. Two per
 * CPU: a test run may be interrupted by a real packet. `depth` says who is in.
 */
struct slot {
	struct clo_frame frame;
	struct clo_outcome outcome;
	struct clo_work work;
	__u64 epoch; /* of struct clo_hook, as the next three */
	__u64 pickup;
	__u64 now;
	int to_guest;
	__u32 tracked; /* the connection table has an entry */
	__u32 drop; /* enum clo_drop so far */
	__u32 what; /* to tell: see tell.h */
};

struct scratch {
	__u64 depth;
	struct slot of[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} clo_scratch SEC(".maps");
