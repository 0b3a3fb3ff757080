/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cloison/abi.h"
#include "policy/tables.h"

/*
 * The datapath in the kernel: programs, links, maps. Only the sys/bpf*.c files
 * include libbpf. All maps, programs and links are pinned below one directory
 * of a bpffs, so that they outlive the process:
 *   DIR/prog/{from_guest,to_guest}  DIR/map/<name>  DIR/gen/<slot>/<table>
 *   DIR/link/<ifindex>/{from_guest,to_guest}   (TCX only)
 */
struct clo_bpf;

enum clo_attach {
	CLO_ATTACH_AUTO, /* TCX where the kernel has it, else clsact */
	CLO_ATTACH_TCX,
	CLO_ATTACH_CLSACT,
};

/*
 * Load the datapath or adopt what is pinned in `dir` (made if missing, 0700).
 * Pinned maps of another ABI are refused (-EPROTO); pinned programs with
 * another tag are replaced in their links by bpf_link_update (no frame passes
 * unguarded). ret_adopted: pins of an earlier process were taken over.
 */
int clo_bpf_open(const char *dir, enum clo_attach attach,
		 struct clo_bpf **ret_bpf, bool *ret_adopted);
/* Closes descriptors; the guards stay in force. NULL is fine. */
void clo_bpf_free(struct clo_bpf *bpf);
CLO_DEFINE_FREEP(clo_bpf)
/* Take everything out of the kernel and remove `dir`: for uninstall, tests. */
int clo_bpf_remove(const char *dir);

/* "tcx" or "clsact": what is in use. */
const char *clo_bpf_attach_name(const struct clo_bpf *bpf);

/*
 * Write `tables` into the idle slot, flip, wait until no CPU still reads the
 * old one. All or nothing: on error the live generation is untouched.
 */
int clo_bpf_tables_write(struct clo_bpf *bpf, const struct clo_tables *tables,
			 uint64_t *ret_epoch);
/* Read the live generation back, sorted. -ENOENT: no policy in force. */
int clo_bpf_tables_read(struct clo_bpf *bpf, struct clo_tables **ret_tables);
int clo_bpf_epoch(struct clo_bpf *bpf, uint64_t *ret_epoch); /* 0: none */

/* Ports. set adds or replaces. */
int clo_bpf_port_set(struct clo_bpf *bpf, uint32_t ifindex,
		     const struct clo_port *port);
int clo_bpf_port_del(struct clo_bpf *bpf, uint32_t ifindex);

struct clo_bpf_port {
	uint32_t ifindex;
	struct clo_port port;
};

int clo_bpf_ports_read(struct clo_bpf *bpf, struct clo_bpf_port **ret_ports,
		       size_t *ret_n); /* caller frees *ret_ports */

/*
 * The guard of one interface: both programs on its hooks. attach is
 * idempotent and repairs a half-attached guard.
 */
int clo_bpf_guard_attach(struct clo_bpf *bpf, uint32_t ifindex);
int clo_bpf_guard_detach(struct clo_bpf *bpf, uint32_t ifindex);

/* What the kernel says hangs on one hook, asked fresh (not from memory). */
struct clo_bpf_hook {
	bool ours; /* our current program, by id, is attached once */
	uint32_t prog_id; /* of ours; 0 if absent */
	uint32_t position; /* 0 = runs first */
	uint32_t others; /* programs on this hook that are not ours */
};

struct clo_bpf_guard {
	struct clo_bpf_hook from_guest; /* ingress of the tap */
	struct clo_bpf_hook to_guest; /* egress of the tap */
};

int clo_bpf_guard_query(struct clo_bpf *bpf, uint32_t ifindex,
			struct clo_bpf_guard *ret_guard);

/* The two programs as their pins hold them. */
struct clo_bpf_program {
	const char *name;
	uint32_t id; /* 0: the pin is gone */
	uint8_t tag[8]; /* kernel's SHA-1 prefix of the instructions */
	uint8_t xlated[32]; /* SHA-256 over the translated instructions */
	bool as_built; /* tag equals that of the object in our binary */
};

int clo_bpf_programs_read(struct clo_bpf *bpf,
			  struct clo_bpf_program ret_programs[2]);
/* Pin our two programs again, whatever stands in their place. */
int clo_bpf_programs_restore(struct clo_bpf *bpf);

/*
 * Run the program that is attached now on one frame (BPF_PROG_TEST_RUN with
 * this ifindex and mark). ret_drop: it would drop. Counts like real traffic.
 */
int clo_bpf_probe(struct clo_bpf *bpf, bool to_guest, uint32_t ifindex,
		  uint32_t mark, const void *frame, size_t len, bool *ret_drop);

/* Counters. */
struct clo_bpf_drop {
	struct clo_drop_key key;
	uint64_t count; /* over all CPUs */
};

int clo_bpf_drops_read(struct clo_bpf *bpf, struct clo_bpf_drop **ret_drops,
		       size_t *ret_n); /* caller frees */
/* By rule index of the live generation; caller frees. */
int clo_bpf_hits_read(struct clo_bpf *bpf, struct clo_hits **ret_hits,
		      size_t *ret_n);
int clo_bpf_connections_count(struct clo_bpf *bpf, uint64_t *ret_count);
