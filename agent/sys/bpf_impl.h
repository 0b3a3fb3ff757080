/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the bpf*.c files share. Nobody else includes this. */

#include <linux/types.h>

#include "agent/sys/bpf.h"

#define CLO_BPF_DIR_MAX 256
#define CLO_BPF_PATH_MAX 384
/* No table of a real policy comes near; a larger number is an error. */
#define CLO_BPF_ENTRIES_MAX (1U << 24)

/* Outer maps come in the order of enum clo_table, so that they index alike. */
#define CLO_BPF_MAPS(X)                                                        \
	X(LIVE, live)                                                          \
	X(GENS, gens)                                                          \
	X(PORTS, ports)                                                        \
	X(CONN4, conn4)                                                        \
	X(CONN6, conn6)                                                        \
	X(DROPS, drops)

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

struct clo_bpf_inner {
	__u32 type;
	__u32 key_size;
	__u32 value_size;
	__u32 flags;
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

struct clo_bpf {
	char dir[CLO_BPF_DIR_MAX];
	int dir_fd; /* holds the lock on dir */
	bool tcx;
	int maps[CLO_BPF_MAP_COUNT];
	struct clo_bpf_inner inner[CLO_BPF_OUTER_COUNT];
	int programs[CLO_BPF_SIDES];
	__u32 program_ids[CLO_BPF_SIDES];
	__u8 built_tags[CLO_BPF_SIDES][8];
};

struct bpf_object;

/* bpf_pins.c: paths below dir, all -errno. */
int clo_bpf_path(const struct clo_bpf *bpf, char ret_path[CLO_BPF_PATH_MAX],
		 const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int clo_bpf_dir_open(struct clo_bpf *bpf, bool create);
int clo_bpf_dir_make(const struct clo_bpf *bpf, const char *name);
/* Everything below dir/name; missing is fine. */
int clo_bpf_dir_wipe(const struct clo_bpf *bpf, const char *name);
int clo_bpf_dir_is_empty(const struct clo_bpf *bpf, const char *name);
/* Atomic: the path names the old object or the new one, never nothing. */
int clo_bpf_pin(const struct clo_bpf *bpf, int fd, const char *name);
int clo_bpf_unpin(const struct clo_bpf *bpf, const char *name);
int clo_bpf_pin_open(const struct clo_bpf *bpf, const char *name, int *ret_fd);
/* Interfaces that have a directory below link/; caller frees. */
int clo_bpf_pinned_ifindexes(const struct clo_bpf *bpf, __u32 **ret_ifindexes,
			     size_t *ret_n);

/* bpf_programs.c */
int clo_bpf_program_id(int fd, __u32 *ret_id);
/* The program of that id goes by that name. */
bool clo_bpf_program_named(__u32 id, const char *name);
/* Choose pinned or built, bring every link to it, pin it. */
int clo_bpf_programs_adopt(struct clo_bpf *bpf, const struct bpf_object *obj);

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

/* bpf_tables.c */
/* Memory of an array map, for fill and read; length in bytes. */
void *clo_bpf_array_map(int fd, size_t len, bool writable);
void clo_bpf_array_unmap(void *memory, size_t len);

/* bpf_tables_read.c */
int clo_bpf_inner_open(struct clo_bpf *bpf, unsigned int outer, __u32 slot,
		       int *ret_fd, __u32 *ret_max_entries);
int clo_bpf_live_gen(struct clo_bpf *bpf, struct clo_gen *ret_gen);
