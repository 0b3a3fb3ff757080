/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "agent/base/log.h"
#include "agent/sys/bpf_impl.h"

#define XLATED_MAX (1U << 23) /* the kernel's limit: a million instructions */
#define MAP_IDS_MAX 64U

static int program_info(int fd, struct bpf_prog_info *ret_info)
{
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info);
	int r;

	r = bpf_obj_get_info_by_fd(fd, &info, &len);
	if (r < 0)
		return r;

	*ret_info = info;
	return 0;
}

int clo_bpf_program_id(int fd, __u32 *ret_id)
{
	struct bpf_prog_info info;
	int r;

	r = program_info(fd, &info);
	if (r < 0)
		return r;

	*ret_id = info.id;
	return 0;
}

bool clo_bpf_program_named(__u32 id, const char *name)
{
	struct bpf_prog_info info;
	CLO_AUTO_FD int fd = -1;

	fd = bpf_prog_get_fd_by_id(id);

	return fd >= 0 && program_info(fd, &info) == 0 &&
	       strncmp(info.name, name, sizeof(info.name)) == 0;
}

static bool uses_map(const __u32 *ids, __u32 n, __u32 id)
{
	for (__u32 i = 0; i < n; i++)
		if (ids[i] == id)
			return true;

	return false;
}

static int map_ids(int program, __u32 ids[MAP_IDS_MAX], __u32 *ret_n)
{
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info);
	int r;

	info.map_ids = (__u64)(uintptr_t)ids;
	info.nr_map_ids = MAP_IDS_MAX;
	r = bpf_obj_get_info_by_fd(program, &info, &len);
	if (r < 0)
		return r;
	if (info.nr_map_ids > MAP_IDS_MAX)
		return -E2BIG;

	*ret_n = info.nr_map_ids;
	return 0;
}

/*
 * The tag leaves map references out, so look at them too: a program of the
 * same text over other maps would judge by tables that nobody writes. Maps
 * that are not pinned hold nothing from one packet to the next.
 */
static int same_maps(const struct clo_bpf *bpf, int pinned, int built,
		     bool *ret_same)
{
	__u32 theirs[MAP_IDS_MAX];
	__u32 ours[MAP_IDS_MAX];
	__u32 n_theirs;
	__u32 n_ours;
	bool same;
	int r;

	r = map_ids(pinned, theirs, &n_theirs);
	if (r < 0)
		return r;
	r = map_ids(built, ours, &n_ours);
	if (r < 0)
		return r;

	same = n_theirs == n_ours;
	for (size_t i = 0; same && i < CLO_BPF_MAP_COUNT; i++) {
		struct bpf_map_info info;

		r = clo_bpf_map_info(bpf->maps[i], &info);
		if (r < 0)
			return r;
		same = uses_map(theirs, n_theirs, info.id) ==
		       uses_map(ours, n_ours, info.id);
	}
	*ret_same = same;
	return 0;
}

/*
 * Take out what differs between two loads of the same text: map ids and
 * addresses, and the helper addresses, which the kernel shows only to callers
 * with CAP_SYSLOG. Which helpers are called is in the tag.
 */
static void normalise(struct bpf_insn *insns, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (insns[i].code == (BPF_JMP | BPF_CALL) &&
		    insns[i].src_reg == 0)
			insns[i].imm = 0;
		if (insns[i].code != (BPF_LD | BPF_IMM | BPF_DW) || i + 1 == n)
			continue;
		if (insns[i].src_reg != 0) {
			insns[i].imm = 0;
			if (insns[i].src_reg != BPF_PSEUDO_MAP_VALUE)
				insns[i + 1].imm = 0;
		}
		i++; /* the second half of a two-slot instruction */
	}
}

static int xlated_digest(int fd, __u32 len, __u8 ret_digest[32])
{
	CLO_AUTO_MEM struct bpf_insn *insns = NULL;
	struct bpf_prog_info info = {0};
	__u32 info_len = sizeof(info);
	__u8 digest[32];
	int r;

	if (len == 0 || len > XLATED_MAX || len % sizeof(*insns) != 0)
		return -EBADMSG;
	insns = malloc(len);
	if (!insns)
		return -ENOMEM;
	info.xlated_prog_insns = (__u64)(uintptr_t)insns;
	info.xlated_prog_len = len;
	r = bpf_obj_get_info_by_fd(fd, &info, &info_len);
	if (r < 0)
		return r;
	if (info.xlated_prog_len != len || !info.xlated_prog_insns)
		return -EPERM; /* blinded, and we may not see it */

	normalise(insns, len / sizeof(*insns));
	if (EVP_Digest(insns, len, digest, NULL, EVP_sha256(), NULL) != 1)
		return -EIO;

	memcpy(ret_digest, digest, sizeof(digest));
	return 0;
}

/*
 * What the verifier made of it: the tag is short, and of the text alone. Where
 * it may not be read, the tag has to do.
 */
static int same_text(int pinned, const struct bpf_prog_info *a, int built,
		     const struct bpf_prog_info *b, bool *ret_same)
{
	__u8 theirs[32];
	__u8 ours[32];
	int r;

	*ret_same = true;
	r = xlated_digest(pinned, a->xlated_prog_len, theirs);
	if (r == 0)
		r = xlated_digest(built, b->xlated_prog_len, ours);
	if (r == -EPERM)
		return 0;
	if (r == 0)
		*ret_same = memcmp(theirs, ours, sizeof(ours)) == 0;
	return r;
}

int clo_bpf_program_same_text(int one, int other, bool *ret_same)
{
	struct bpf_prog_info a;
	struct bpf_prog_info b;
	int r;

	r = program_info(one, &a);
	if (r < 0)
		return r;
	r = program_info(other, &b);
	if (r < 0)
		return r;
	if (a.type != b.type || memcmp(a.tag, b.tag, sizeof(a.tag)) != 0) {
		*ret_same = false;
		return 0;
	}
	return same_text(one, &a, other, &b, ret_same);
}

static int same_program(const struct clo_bpf *bpf, int pinned, int built,
			bool *ret_same)
{
	int r = clo_bpf_program_same_text(pinned, built, ret_same);

	if (r < 0 || !*ret_same)
		return r;

	return same_maps(bpf, pinned, built, ret_same);
}

static int choose(struct clo_bpf *bpf, size_t side, int built, bool *ret_kept)
{
	struct bpf_prog_info info;
	CLO_AUTO_FD int fd = -1;
	bool same = false;
	char name[64];
	int r;

	r = program_info(built, &info);
	if (r < 0)
		return r;
	memcpy(bpf->built_tags[side], info.tag, sizeof(info.tag));
	(void)snprintf(name, sizeof(name), "prog/%s", clo_bpf_sides[side].name);
	r = clo_bpf_pin_open(bpf, name, &fd);
	if (r < 0 && r != -ENOENT)
		return r;
	if (r == 0) {
		r = same_program(bpf, fd, built, &same);
		if (r < 0)
			return r;
	}
	if (!same) {
		clo_fd_closep(&fd);
		fd = fcntl(built, F_DUPFD_CLOEXEC, 3);
		if (fd < 0)
			return -errno;
	}
	r = clo_bpf_program_id(fd, &bpf->program_ids[side]);
	if (r < 0)
		return r;

	bpf->programs[side] = clo_take_fd(&fd);
	*ret_kept = same;
	return 0;
}

int clo_bpf_programs_restore(struct clo_bpf *bpf)
{
	char name[64];
	int r;

	for (size_t i = 0; i < CLO_BPF_SIDES; i++) {
		(void)snprintf(name, sizeof(name), "prog/%s",
			       clo_bpf_sides[i].name);
		r = clo_bpf_pin(bpf, bpf->programs[i], name);
		if (r < 0)
			return r;
	}

	return 0;
}

/* They are in no link and no pin: those of our own object will do. */
static int take_calls(struct clo_bpf *bpf, const struct bpf_object *obj)
{
	static const char *const names[CLO_BPF_CALL_COUNT] = {
		[CLO_BPF_CALL_SWEEP] = "clo_sweep",
		[CLO_BPF_CALL_ACCOUNT] = "clo_account",
		[CLO_BPF_CALL_CLOCK] = "clo_clock",
		[CLO_BPF_CALL_PAIRS] = "clo_enumerate_pairs",
		[CLO_BPF_CALL_SLOTS] = "clo_enumerate_slots",
		[CLO_BPF_CALL_REVOKE] = "clo_revoke",
		[CLO_BPF_CALL_SHAPE] = "clo_shape",
	};
	int page = bpf_object__find_map_fd_by_name(obj, "clo_enumerated");
	int shaped = bpf_object__find_map_fd_by_name(obj, "clo_shaped");

	for (size_t i = 0; i < CLO_BPF_CALL_COUNT; i++) {
		const struct bpf_program *program =
			bpf_object__find_program_by_name(obj, names[i]);

		assert(program); /* the object in our own binary */
		bpf->calls[i] =
			fcntl(bpf_program__fd(program), F_DUPFD_CLOEXEC, 3);
		if (bpf->calls[i] < 0)
			return -errno;
	}

	bpf->enumerated = fcntl(page, F_DUPFD_CLOEXEC, 3);
	if (bpf->enumerated < 0)
		return -errno;
	bpf->shaped = fcntl(shaped, F_DUPFD_CLOEXEC, 3);
	return bpf->shaped < 0 ? -errno : 0;
}

int clo_bpf_programs_adopt(struct clo_bpf *bpf, const struct bpf_object *obj)
{
	bool kept[CLO_BPF_SIDES] = {false};
	int r;

	for (size_t i = 0; i < CLO_BPF_SIDES; i++) {
		const struct bpf_program *program =
			bpf_object__find_program_by_name(
				obj, clo_bpf_sides[i].program);

		r = choose(bpf, i, bpf_program__fd(program), &kept[i]);
		if (r < 0)
			return r;
	}

	/* Links first: if we die here, the next start does it again. */
	r = clo_bpf_links_refresh(bpf);
	if (r < 0)
		return r;
	r = clo_bpf_clsact_refresh(bpf);
	if (r < 0)
		return r;

	if (!kept[0] || !kept[1]) {
		r = clo_bpf_programs_restore(bpf);
		if (r < 0)
			return r;
	}

	return take_calls(bpf, obj);
}

/* One program as its pin holds it; another than ours is shown as it is. */
static int program_read(struct clo_bpf *bpf, size_t side,
			struct clo_bpf_program *ret_program)
{
	struct clo_bpf_program program = {.name = clo_bpf_sides[side].program};
	struct bpf_prog_info info;
	CLO_AUTO_FD int fd = -1;
	char name[64];
	int r;

	(void)snprintf(name, sizeof(name), "prog/%s", clo_bpf_sides[side].name);
	r = clo_bpf_pin_open(bpf, name, &fd);
	if (r == -ENOENT) {
		*ret_program = program;
		return 0;
	}
	if (r < 0)
		return r;
	r = program_info(fd, &info);
	if (r < 0)
		return r;
	program.id = info.id;
	memcpy(program.tag, info.tag, sizeof(program.tag));
	program.as_built =
		info.id == bpf->program_ids[side] &&
		memcmp(info.tag, bpf->built_tags[side], sizeof(info.tag)) == 0;
	r = xlated_digest(fd, info.xlated_prog_len, program.xlated);
	if (r < 0)
		return r;

	*ret_program = program;
	return 0;
}

int clo_bpf_programs_read(struct clo_bpf *bpf,
			  struct clo_bpf_program ret_programs[2])
{
	struct clo_bpf_program programs[CLO_BPF_SIDES];
	int r;

	for (size_t i = 0; i < CLO_BPF_SIDES; i++) {
		r = program_read(bpf, i, &programs[i]);
		if (r < 0)
			return r;
	}

	memcpy(ret_programs, programs, sizeof(programs));
	return 0;
}
