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

struct clo_bpf_config {
	const char *dir; /* borrowed until clo_bpf_open() returns */
	enum clo_attach attach;
	uint32_t connections; /* of each IP version, at most; 0: default */
};

/*
 * Load the datapath or adopt what is pinned in `dir` (made if missing, 0700).
 * Pinned maps of another ABI are refused (-EPROTO); pinned programs with
 * another tag are replaced in their links by bpf_link_update (no frame passes
 * unguarded). Connection tables of another size are replaced, their flows go
 * on; -ENOSPC: the flows of now do not fit, nothing was changed.
 * ret_adopted: pins of an earlier process were taken over.
 */
int clo_bpf_open(const struct clo_bpf_config *config, struct clo_bpf **ret_bpf,
		 bool *ret_adopted);
/* Closes descriptors; the guards stay in force. NULL is fine. */
void clo_bpf_free(struct clo_bpf *bpf);
CLO_DEFINE_FREEP(clo_bpf)
/* Take everything out of the kernel and remove `dir`: for uninstall, tests. */
int clo_bpf_remove(const char *dir);

/*
 * The pins are held by an open directory, so what hides its name (another
 * mount, an unmount) takes no guard off while this process lives. check: 0 if
 * the name still leads there, else -EBUSY or -ENOENT. restore: pin all of it
 * where the name leads now; -EINVAL: that is no bpffs.
 */
int clo_bpf_pins_check(const struct clo_bpf *bpf);
int clo_bpf_pins_restore(struct clo_bpf *bpf);

/* "tcx" or "clsact": what is in use. */
const char *clo_bpf_attach_name(const struct clo_bpf *bpf);

/*
 * Bring the idle slot to `tables`, flip. All or nothing: on error the live
 * generation is untouched. Returns right after the flip; that no CPU still
 * reads the old generation is awaited in the background, and by the next write.
 * -EINVAL: a table is not sorted. -E2BIG: a table is too large.
 */
int clo_bpf_tables_write(struct clo_bpf *bpf, const struct clo_tables *tables,
			 uint64_t *ret_epoch);
/* Wait until the next write need not. */
void clo_bpf_tables_settle(struct clo_bpf *bpf);
/*
 * Read the live generation back, sorted, all that is in it. gen.n is 0, as in
 * compiled tables: each table has its own n. -ENOENT: no policy in force.
 */
int clo_bpf_tables_read(struct clo_bpf *bpf, struct clo_tables **ret_tables);
int clo_bpf_epoch(struct clo_bpf *bpf, uint64_t *ret_epoch); /* 0: none */

/* When this process put tables in force, or found them. */
struct clo_bpf_flip {
	uint64_t epoch; /* 0: none */
	double at; /* clo_milliseconds() */
};

struct clo_bpf_flip clo_bpf_flip_last(const struct clo_bpf *bpf);

/*
 * What the decision code in the kernel says: the guards' own lines, run on the
 * tables in force.
 */
struct clo_bpf_verdicts {
	uint64_t epoch; /* of the tables */
	uint32_t words; /* of a row, as the kernel has it */
	struct clo_pair first; /* the rest in the order of (src, dst) */
	size_t n; /* pairs */
	const uint8_t *allowed; /* of each pair; 0: no class is */
	const uint64_t *word; /* `words` for each other; bit = class */
};

/* Where a walk over all pairs of identities is; it begins at {0, 0}. */
struct clo_bpf_pairs {
	uint32_t identities; /* all are below this */
	struct clo_pair next; /* source `identities`: that was the last */
	uint64_t epoch; /* of the tables that are walked; 0: not begun */
};

/*
 * The next stretch of it: as many as one page has room for. A negative return
 * of on_verdicts is passed on. -ENOENT: no policy is in force. -EBUSY: another
 * one came into force since the walk began.
 */
int clo_bpf_enumerate_pairs(
	struct clo_bpf *bpf, struct clo_bpf_pairs *walk,
	int (*on_verdicts)(const struct clo_bpf_verdicts *verdicts,
			   void *userdata),
	void *userdata);

/* The whole verdict on one (pair, protocol, number). */
struct clo_bpf_judged {
	uint16_t drop; /* enum clo_drop */
	uint16_t class;
	uint32_t rule;
};

/* Where a walk over all slots of one pair is. */
struct clo_bpf_slots {
	struct clo_pair pair;
	uint64_t epoch; /* as of pairs */
	uint32_t next; /* CLO_SLOTS: that was the last */
};

/* The next of them, by slot; the same errors. */
int clo_bpf_enumerate_slots(struct clo_bpf *bpf, struct clo_bpf_slots *walk,
			    struct clo_bpf_judged ret_judged[CLO_ENUMERATE_MAX],
			    size_t *ret_n);

/*
 * Ports. set adds or replaces; it chooses the meter (port->slot is ignored)
 * and sets its limits, but not what was used of them: a bucket's `paid` is
 * ignored. A port that becomes another endpoint's drops all for the moment in
 * which it changes. -ENOSPC: no meter is free.
 */
int clo_bpf_port_set(struct clo_bpf *bpf, uint32_t ifindex,
		     const struct clo_port *port,
		     const struct clo_bucket limits[CLO_BUCKET_COUNT]);
int clo_bpf_port_del(struct clo_bpf *bpf, uint32_t ifindex);

struct clo_bpf_port {
	uint32_t ifindex;
	struct clo_port port;
	struct clo_meter meter;
};

int clo_bpf_ports_read(struct clo_bpf *bpf, struct clo_bpf_port **ret_ports,
		       size_t *ret_n); /* caller frees *ret_ports */

/*
 * The datapath's clock and settings are those that this process found or made.
 * *ret_wrong: which is not, or NULL. restore: bring them back.
 */
int clo_bpf_live_check(struct clo_bpf *bpf, const char **ret_wrong);
int clo_bpf_live_restore(struct clo_bpf *bpf);

/* Behind which tap each endpoint of this node is, by endpoint. */
struct clo_bpf_place {
	uint32_t endpoint;
	uint32_t ifindex;
};

int clo_bpf_places_read(struct clo_bpf *bpf, struct clo_bpf_place **ret_places,
			size_t *ret_n); /* caller frees */
/* NULL: none. */
const struct clo_bpf_place *clo_bpf_place_of(const struct clo_bpf_place *places,
					     size_t n, uint32_t endpoint);
/* ifindex 0: it is behind none. */
int clo_bpf_place_set(struct clo_bpf *bpf, uint32_t endpoint, uint32_t ifindex);

/*
 * Accounts. set makes one or changes its limit; what is counted in it stays.
 * del of one that is not there is fine.
 */
int clo_bpf_account_set(struct clo_bpf *bpf, uint64_t key, uint64_t parent,
			uint32_t limit);
int clo_bpf_account_del(struct clo_bpf *bpf, uint64_t key);

struct clo_bpf_account {
	uint64_t key;
	struct clo_account account;
};

int clo_bpf_accounts_read(struct clo_bpf *bpf,
			  struct clo_bpf_account **ret_accounts,
			  size_t *ret_n); /* caller frees */

/* What the table has of one flow; key by family, as it stands. -ENOENT. */
int clo_bpf_flow_find(struct clo_bpf *bpf, uint8_t family, const void *key,
		      struct clo_conn *ret_conn);
/*
 * A flow of one packet, of which a probe was the only one, times out: the next
 * sweep ends it. -EBUSY: others have spoken in it. -ENOENT.
 */
int clo_bpf_flow_expire(struct clo_bpf *bpf, uint8_t family, const void *key);

/* End the flows that have timed out. */
struct clo_bpf_swept {
	uint64_t live;
	uint64_t ended;
};

int clo_bpf_sweep(struct clo_bpf *bpf, struct clo_bpf_swept *ret_swept);

/*
 * Events, once open. `captured`: event->captured bytes of the frame. What is
 * not a whole event is left out. A negative return of on_event ends the drain.
 */
int clo_bpf_events_open(struct clo_bpf *bpf,
			int (*on_event)(const struct clo_event *event,
					const uint8_t *captured,
					void *userdata),
			void *userdata);
int clo_bpf_events_fd(const struct clo_bpf *bpf); /* to poll; -1: not open */
/* At most `max`; returns how many, or what on_event returned. */
int clo_bpf_events_drain(struct clo_bpf *bpf, size_t max);
/* Bytes of a dropped frame in its event; more than CLO_CAPTURE_MAX: -EINVAL. */
int clo_bpf_capture_set(struct clo_bpf *bpf, uint32_t bytes);

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

/* A frame as the hook of an interface would see it. */
struct clo_bpf_frame {
	const void *data;
	size_t len;
	uint32_t ifindex;
	uint32_t mark;
	uint16_t gso_size; /* of each segment; 0: it is one frame */
};

/* What a program did with it. Nothing leaves the kernel. */
struct clo_bpf_said {
	bool drop;
	bool redirect; /* sent straight to its receiver's interface */
	/*
	 * Why it was refused, also if it passes in audit mode. Our own programs
	 * say it; CLO_DROP_NONE with `drop`: the program is none of ours.
	 */
	enum clo_drop reason;
	uint32_t mark; /* that it went on with */
};

/*
 * Run the program `prog_id` (of clo_bpf_guard_query()) on one frame. Counts
 * like real traffic, and a flow that it opens is tracked. -ENOENT: no such
 * program. -EINVAL: the kernel runs no program on such a frame. Of one longer
 * than a page all that a guard reads is as given, and nothing behind that.
 */
int clo_bpf_run(struct clo_bpf *bpf, uint32_t prog_id,
		const struct clo_bpf_frame *frame,
		struct clo_bpf_said *ret_said);
/* The same, of a frame that is one; ret_drop: it would drop. */
int clo_bpf_probe(struct clo_bpf *bpf, uint32_t prog_id, uint32_t ifindex,
		  uint32_t mark, const void *frame, size_t len, bool *ret_drop);

/*
 * A twin: the two programs once more, over the same tables and ports, but with
 * flows, fragments, limits and counters of its own. On it packets may be run
 * that need what others left behind. Nothing of that is in a map that a guard
 * reads: no name of a flow or datagram in a twin can be a guest's, whatever
 * comes over the tap meanwhile, so there is nothing to choose, to look for
 * first or to race with. It is pinned nowhere and hangs on no hook: it ends
 * with the process that made it. The limits are off.
 */
struct clo_bpf_twin;
/* Loaded by the first call, which takes as long as a start; borrowed. */
int clo_bpf_twin_get(struct clo_bpf *bpf, struct clo_bpf_twin **ret_twin);
/*
 * As clo_bpf_run(), by that program's twin. -ESTALE: the program's text is
 * another's, so the twin says nothing about it.
 */
int clo_bpf_twin_run(struct clo_bpf_twin *twin, uint32_t prog_id,
		     const struct clo_bpf_frame *frame,
		     struct clo_bpf_said *ret_said);
/* A flow that is under way; key by family. */
int clo_bpf_twin_flow(struct clo_bpf_twin *twin, uint8_t family,
		      const void *key, const struct clo_conn *conn);
/* No flow, no fragment. */
int clo_bpf_twin_clear(struct clo_bpf_twin *twin);

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

struct clo_bpf_flow {
	uint8_t family; /* 4 or 6: which key */

	union {
		struct clo_conn4_key v4;
		struct clo_conn6_key v6;
	} key;

	struct clo_conn conn;
};

/*
 * A walk over the tracked flows, slice by slice; zero at first. What is there
 * throughout is in it once at least. `family` 0 at the end.
 */
#define CLO_BPF_SLICE 1024

struct clo_bpf_cursor {
	uint8_t family; /* of the next slice */
	bool begun; /* both, and within that family */
	bool within;
	uint32_t position[16]; /* the kernel's */
};

int clo_bpf_flows_slice(struct clo_bpf *bpf, struct clo_bpf_cursor *cursor,
			struct clo_bpf_flow ret_flows[CLO_BPF_SLICE],
			size_t *ret_n);
/* End a flow that was not allowed since `epoch`; 1: it was there, 0: not. */
int clo_bpf_flow_revoke(struct clo_bpf *bpf, const struct clo_bpf_flow *flow,
			uint64_t epoch);

/* Flows come and go meanwhile: what was there throughout is in it. */
int clo_bpf_flows_read(struct clo_bpf *bpf, struct clo_bpf_flow **ret_flows,
		       size_t *ret_n); /* caller frees */
