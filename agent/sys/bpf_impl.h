/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the bpf*.c files share. Nobody else includes this. */

#include <linux/types.h>
#include <pthread.h>

#include "agent/sys/bpf.h"

#define CLO_BPF_DIR_MAX 256
#define CLO_BPF_PATH_MAX 384
/* No table of a real policy comes near; a larger number is an error. */
#define CLO_BPF_ENTRIES_MAX (1U << 24)
/* Entries that one system call moves. */
#define CLO_BPF_BATCH 4096U

/* Outer maps come in the order of enum clo_table, so that they index alike. */
#define CLO_BPF_MAPS(X)                                                        \
	X(LIVE, live)                                                          \
	X(GENS, gens)                                                          \
	X(PORTS, ports)                                                        \
	X(PORTS_FAR, ports_far)                                                \
	X(METERS, meters)                                                      \
	X(LOCAL, local)                                                        \
	X(ACCOUNTS, accounts)                                                  \
	X(CONN4, conn4)                                                        \
	X(CONN6, conn6)                                                        \
	X(FRAGS, frags)                                                        \
	X(DROPS, drops)                                                        \
	X(EVENTS, events)

enum clo_bpf_map {
#define X(NAME, name) CLO_BPF_MAP_##NAME,
	CLO_BPF_MAPS(X)
#undef X
	CLO_BPF_MAP_TABLES,
	CLO_BPF_MAP_HITS = CLO_BPF_MAP_TABLES + CLO_TABLE_COUNT,
	CLO_BPF_MAP_COUNT,
};

/* Outer maps by number: the tables, then hits. */
#define CLO_BPF_OUTER_HITS ((unsigned int)CLO_TABLE_COUNT)
#define CLO_BPF_OUTER_COUNT (CLO_TABLE_COUNT + 1)

/* What every inner map of one outer map looks like. */
struct clo_bpf_inner {
	__u32 type;
	__u32 key_size;
	__u32 value_size;
	__u32 flags;
};

/* Part of a map, mapped: `at` is where it begins, within a page. */
struct clo_bpf_memory {
	void *page;
	size_t len;
	void *at;
};

/* The inner map in one slot of one outer map. */
struct clo_bpf_content {
	int fd; /* -1: none, or none of ours */
	__u32 id;
	__u32 capacity; /* entries */
	/* An array that was filled stays mapped: that is dearer than to fill
	 * it. */
	struct clo_bpf_memory memory;
};

/*
 * What the idle slot is known to hold. The background thread owns it, and the
 * idle slot, while `running`; clo_bpf_tables_settle() takes them back.
 */
struct clo_bpf_idle {
	pthread_t thread;
	bool running;
	bool quiet; /* no program reads the idle slot any more */
	__u32 slot; /* for the thread */
	size_t need[CLO_BPF_OUTER_COUNT]; /* entries of the live slot */
	bool known[CLO_TABLE_COUNT]; /* HASH and LPM: it holds `copy` */
	struct clo_table_data copy[CLO_TABLE_COUNT];
};

/* The ring of events as one reader has it. */
struct clo_bpf_events {
	int (*on_event)(const struct clo_event *event, const uint8_t *captured,
			void *userdata); /* NULL: not open */
	void *userdata;
	struct clo_bpf_memory reader; /* its page of positions */
	struct clo_bpf_memory writers; /* theirs */
	__u32 size; /* bytes of data */
};

/* A connection table that is replaced by one of another size. */
struct clo_bpf_resize {
	int old; /* -1: it is not replaced */
	bool copied; /* an earlier start did that, and died */
	__u64 begin; /* coarse monotonic ns: flows opened before were copied */
};

/* A hook, its program, its pin: index 0 from the guest, 1 to the guest. */
struct clo_bpf_side {
	const char *name; /* of pins */
	const char *program; /* in the object, and in bpf_prog_info */
	__u32 tcx_type;
	bool egress;
};

#define CLO_BPF_SIDES 2
extern const struct clo_bpf_side clo_bpf_sides[CLO_BPF_SIDES];

/* Programs that no hook runs: the agent calls them. */
enum clo_bpf_call {
	CLO_BPF_CALL_SWEEP,
	CLO_BPF_CALL_ACCOUNT,
	CLO_BPF_CALL_CLOCK,
	CLO_BPF_CALL_PAIRS,
	CLO_BPF_CALL_SLOTS,
	CLO_BPF_CALL_REVOKE,
	CLO_BPF_CALL_SHAPE,
	CLO_BPF_CALL_COUNT,
};

struct clo_bpf {
	char dir[CLO_BPF_DIR_MAX];
	int dir_fd; /* holds the lock on dir */
	bool tcx;
	int maps[CLO_BPF_MAP_COUNT];
	struct clo_bpf_inner inner[CLO_BPF_OUTER_COUNT];
	struct clo_bpf_content content[2][CLO_BPF_OUTER_COUNT]; /* by slot */
	struct clo_bpf_idle idle;
	int programs[CLO_BPF_SIDES];
	__u32 program_ids[CLO_BPF_SIDES];
	__u8 built_tags[CLO_BPF_SIDES][8];
	int calls[CLO_BPF_CALL_COUNT];
	int enumerated; /* map of the two that enumerate */
	int shaped; /* and of the one that hands frames on */
	int grace[2]; /* clo_bpf_grace(): a map of maps, its one inner map */
	struct clo_bpf_resize resize[2]; /* of conn4, conn6 */
	__u32 meter_owner[CLO_METERS]; /* ifindex by slot; 0: it is free */
	struct clo_bpf_events events;
	struct clo_bpf_twin *twin; /* NULL: nobody asked for it yet */
	struct clo_bpf_flip flip;
	struct clo_live live; /* as it must be; without its epoch */
};

/* A second load of the two programs: see bpf.h. */
enum {
	CLO_BPF_TWIN_MAPS = 3
}; /* conn4, conn6, frags */

struct clo_bpf_twin {
	int programs[CLO_BPF_SIDES];
	__u32 twin_of[CLO_BPF_SIDES]; /* id of a program of that text; 0 */
	int maps[CLO_BPF_TWIN_MAPS];
};

struct bpf_object;

/* bpf_pins.c: paths below dir, all -errno. */
int clo_bpf_path(const struct clo_bpf *bpf, char ret_path[CLO_BPF_PATH_MAX],
		 const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int clo_bpf_dir_open(struct clo_bpf *bpf, bool create);
int clo_bpf_dir_make(const struct clo_bpf *bpf, const char *name);
/* Everything below dir/name; missing is fine. */
int clo_bpf_dir_wipe(const struct clo_bpf *bpf, const char *name);
/* All of dir, and dir. */
int clo_bpf_dir_remove(const struct clo_bpf *bpf);
int clo_bpf_dir_is_empty(const struct clo_bpf *bpf, const char *name);
/* Atomic: the path names the old object or the new one, never nothing. */
int clo_bpf_pin(const struct clo_bpf *bpf, int fd, const char *name);
int clo_bpf_unpin(const struct clo_bpf *bpf, const char *name);
int clo_bpf_pin_open(const struct clo_bpf *bpf, const char *name, int *ret_fd);
/* Interfaces that have a directory below link/; caller frees. */
int clo_bpf_pinned_ifindexes(const struct clo_bpf *bpf, __u32 **ret_ifindexes,
			     size_t *ret_n);

/* bpf_maps.c */
struct bpf_map_info;
extern const char *const clo_bpf_map_names[CLO_BPF_MAP_COUNT];
int clo_bpf_map_info(int fd, struct bpf_map_info *ret_info);
/* -ENOENT: nothing pinned. -EPROTO: pinned, but not what we speak. */
int clo_bpf_abi_check(const struct clo_bpf *bpf);
/* Before the load: the object's maps become the pinned ones if `adopt`. */
int clo_bpf_maps_prepare(struct clo_bpf *bpf, const struct bpf_object *obj,
			 bool adopt);
/* After it: take the maps, pin what is not pinned yet. */
int clo_bpf_maps_take(struct clo_bpf *bpf, const struct bpf_object *obj,
		      bool adopted);
/* Entries of a map of maps' inner map, or of any other. */
int clo_bpf_map_max_entries(int fd, __u32 *ret_max);

/* Bytes [from, from + len) of a map that allows it. */
int clo_bpf_memory_map(int fd, size_t from, size_t len, bool writable,
		       struct clo_bpf_memory *ret_memory);
void clo_bpf_memory_unmap(struct clo_bpf_memory *memory);

/* All entries of a hash or trie, batch by batch, in the kernel's order. */
struct clo_bpf_batch {
	const uint8_t *keys;
	const uint8_t *values;
	size_t n;
};

int clo_bpf_map_walk(int fd, size_t key_size, size_t value_size,
		     int (*on_batch)(const struct clo_bpf_batch *batch,
				     void *userdata),
		     void *userdata);

/* bpf_live.c: what is there now is what must be. */
int clo_bpf_live_take(struct clo_bpf *bpf);

/* bpf_grace.c: returns when every program that runs now has ended. */
int clo_bpf_grace(const struct clo_bpf *bpf);
int clo_bpf_grace_init(struct clo_bpf *bpf);

/*
 * bpf_resize.c: connection tables of another size. Before the load: note which
 * are to be replaced. Then copy what they hold and pin the new ones, before
 * the new programs are in the links; and finish when they are.
 */
int clo_bpf_resize_prepare(struct clo_bpf *bpf, const struct bpf_object *obj,
			   bool adopt, __u32 connections);
bool clo_bpf_resize_replaces(const struct clo_bpf *bpf, size_t map);
int clo_bpf_resize_copy(struct clo_bpf *bpf);
int clo_bpf_resize_finish(struct clo_bpf *bpf);

/* bpf_programs.c */
int clo_bpf_program_id(int fd, __u32 *ret_id);
/* The program of that id goes by that name. */
bool clo_bpf_program_named(__u32 id, const char *name);
/* Of the same instructions, whatever maps they refer to. */
int clo_bpf_program_same_text(int one, int other, bool *ret_same);
/* Choose pinned or built, bring every link to it, pin it. */
int clo_bpf_programs_adopt(struct clo_bpf *bpf, const struct bpf_object *obj);

/* bpf_run.c */
int clo_bpf_run_fd(int program, const struct clo_bpf_frame *frame,
		   struct clo_bpf_said *ret_said);

/* bpf_twin.c */
void clo_bpf_twin_free(struct clo_bpf_twin *twin); /* NULL is fine */
CLO_DEFINE_FREEP(clo_bpf_twin)

/* bpf_links.c */
int clo_bpf_links_refresh(struct clo_bpf *bpf);
int clo_bpf_links_remove(struct clo_bpf *bpf);
bool clo_bpf_tcx_supported(void);

/* bpf_clsact.c */
int clo_bpf_clsact_attach(struct clo_bpf *bpf, __u32 ifindex, size_t side);
int clo_bpf_clsact_detach(__u32 ifindex);
/* Interfaces whose filters run an older program of ours get the current. */
int clo_bpf_clsact_refresh(struct clo_bpf *bpf);
int clo_bpf_clsact_remove(void);

/* bpf_ports.c */
/* Which meters the pinned ports use. */
int clo_bpf_meters_adopt(struct clo_bpf *bpf);

/* bpf_accounts.c */
/* Run a program that no hook runs; it changes `args`. What it returns. */
int clo_bpf_call(const struct clo_bpf *bpf, enum clo_bpf_call which, void *args,
		 size_t size);
/* Give back one flow of `endpoint`, as the datapath does when one ends. */
int clo_bpf_account_release(struct clo_bpf *bpf, __u32 endpoint);

/*
 * bpf_flows.c: coarse monotonic nanoseconds, the clock of the entries. That of
 * the datapath may be CLO_BPF_TICKS ticks ahead or behind.
 */
#define CLO_BPF_TICKS 3
/* After a connection table was replaced, ns. */
#define CLO_BPF_PICKUP 10000000000ULL
__u64 clo_bpf_now(void);
/* Set the datapath's clock. */
int clo_bpf_clock_set(struct clo_bpf *bpf);
/* Until the datapath's clock is at what clo_bpf_now() was, or beyond. */
void clo_bpf_clock_wait(void);

/* bpf_events.c */
void clo_bpf_events_close(struct clo_bpf *bpf);

/* bpf_slots.c */
/* Look again at what the outer maps hold; ret_changed by outer map. */
int clo_bpf_slot_refresh(struct clo_bpf *bpf, __u32 slot,
			 bool ret_changed[CLO_BPF_OUTER_COUNT]);
/*
 * Every map of the slot has room for need[] entries: what has not is replaced
 * by an empty one (ret_changed). The slot must be idle.
 */
int clo_bpf_slot_reserve(struct clo_bpf *bpf, __u32 slot,
			 const size_t need[CLO_BPF_OUTER_COUNT],
			 bool ret_changed[CLO_BPF_OUTER_COUNT]);
void clo_bpf_slots_close(struct clo_bpf *bpf);

/* bpf_fill.c: bring one inner map of an idle slot to the wanted entries. */
/* It holds `held`: only what differs is written. ret_changed: something did. */
int clo_bpf_fill_difference(int fd, const struct clo_table_type *type,
			    const struct clo_table_data *held,
			    const struct clo_table_data *wanted,
			    bool *ret_changed);
/* It holds anything: everything is read. */
int clo_bpf_fill_any(int fd, const struct clo_table_type *type,
		     const struct clo_table_data *wanted);
/* An array; behind the wanted entries it is zero. */
int clo_bpf_fill_array(struct clo_bpf_content *content, size_t entry_size,
		       const struct clo_table_data *wanted);
/* bpf_tables.c */
void clo_bpf_tables_done(struct clo_bpf *bpf);

/* bpf_tables_read.c */
int clo_bpf_inner_open(struct clo_bpf *bpf, unsigned int outer, __u32 slot,
		       struct clo_bpf_content *ret_content);
int clo_bpf_live_gen(struct clo_bpf *bpf, struct clo_gen *ret_gen);
