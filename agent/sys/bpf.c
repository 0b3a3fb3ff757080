/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sys/bpf.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "agent/base/log.h"
#include "agent/sys/bpf_impl.h"
#include "skel/guard.skel.h"

/* UAPI of Linux 6.6; Debian 12's headers are older. */
#define TCX_INGRESS 46U
#define TCX_EGRESS 47U

const struct clo_bpf_side clo_bpf_sides[CLO_BPF_SIDES] = {
	{"from_guest", "clo_from_guest", TCX_INGRESS, false},
	{"to_guest", "clo_to_guest", TCX_EGRESS, true},
};

static void guard_freep(struct guard **object)
{
	guard__destroy(*object);
}

/* The program libbpf complained of last: load failures do not say which. */
static char refused[64];

__attribute__((format(printf, 2, 0))) static int
print(enum libbpf_print_level level, const char *fmt, va_list args)
{
	char text[400];
	int n;

	if (level == LIBBPF_DEBUG)
		return 0; /* hundreds of lines for each load */

	n = vsnprintf(text, sizeof(text), fmt, args);
	if (n < 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	if (level == LIBBPF_WARN)
		(void)sscanf(text, "libbpf: prog '%63[^']'", refused);
	/* The extended acks of expected refusals, qdisc exists and such. */
	if (level == LIBBPF_WARN && !strstr(text, "Kernel error message"))
		clo_log(CLO_LOG_WARN, "%s", text);
	else
		clo_log(CLO_LOG_DEBUG, "%s", text);
	return 0;
}

static int bpf_new(const char *dir, struct clo_bpf **ret_bpf)
{
	struct clo_bpf *bpf;

	if (strlen(dir) >= sizeof(bpf->dir))
		return -ENAMETOOLONG;

	bpf = calloc(1, sizeof(*bpf));
	if (!bpf)
		return -ENOMEM;

	memcpy(bpf->dir, dir, strlen(dir) + 1);
	bpf->dir_fd = -1;
	bpf->enumerated = -1;
	bpf->shaped = -1;
	for (size_t i = 0; i < CLO_BPF_MAP_COUNT; i++)
		bpf->maps[i] = -1;
	for (size_t i = 0; i < CLO_BPF_SIDES; i++)
		bpf->programs[i] = -1;
	for (size_t i = 0; i < CLO_BPF_CALL_COUNT; i++)
		bpf->calls[i] = -1;
	for (size_t i = 0; i < 2; i++) {
		bpf->grace[i] = -1;
		bpf->resize[i].old = -1;
	}
	for (size_t i = 0; i < CLO_BPF_OUTER_COUNT; i++)
		bpf->content[0][i].fd = bpf->content[1][i].fd = -1;
	*ret_bpf = bpf;
	return 0;
}

void clo_bpf_free(struct clo_bpf *bpf)
{
	if (!bpf)
		return;

	clo_bpf_tables_done(bpf);
	clo_bpf_events_close(bpf);
	clo_bpf_twin_free(bpf->twin);
	for (size_t i = 0; i < CLO_BPF_MAP_COUNT; i++)
		clo_fd_closep(&bpf->maps[i]);
	for (size_t i = 0; i < CLO_BPF_SIDES; i++)
		clo_fd_closep(&bpf->programs[i]);
	for (size_t i = 0; i < CLO_BPF_CALL_COUNT; i++)
		clo_fd_closep(&bpf->calls[i]);
	for (size_t i = 0; i < 2; i++) {
		clo_fd_closep(&bpf->grace[i]);
		clo_fd_closep(&bpf->resize[i].old);
	}
	clo_fd_closep(&bpf->enumerated);
	clo_fd_closep(&bpf->shaped);
	clo_fd_closep(&bpf->dir_fd);
	free(bpf);
}

static int choose_attach(struct clo_bpf *bpf, enum clo_attach attach)
{
	bool supported = clo_bpf_tcx_supported();

	if (attach == CLO_ATTACH_TCX && !supported)
		return -EOPNOTSUPP;

	bpf->tcx = supported && attach != CLO_ATTACH_CLSACT;
	return 0;
}

const char *clo_bpf_attach_name(const struct clo_bpf *bpf)
{
	return bpf->tcx ? "tcx" : "clsact";
}

/* Left by a first start that died half-way: no guard can depend on it. */
static int clear_fragments(const struct clo_bpf *bpf)
{
	static const char *const guards[] = {"link", "prog"};
	int r;

	for (size_t i = 0; i < CLO_ARRAY_LEN(guards); i++) {
		r = clo_bpf_dir_is_empty(bpf, guards[i]);
		if (r < 0)
			return r;
		if (!r)
			return -EPROTO;
	}

	return clo_bpf_dir_wipe(bpf, "map");
}

static int make_dirs(const struct clo_bpf *bpf)
{
	static const char *const dirs[] = {"map", "prog",  "link",
					   "gen", "gen/0", "gen/1"};
	int r;

	for (size_t i = 0; i < CLO_ARRAY_LEN(dirs); i++) {
		r = clo_bpf_dir_make(bpf, dirs[i]);
		if (r < 0)
			return r;
	}

	return 0;
}

/* In the order in which a death at any point leaves what can go on. */
static int take_over(struct clo_bpf *bpf, const struct bpf_object *obj,
		     bool adopted)
{
	int r;

	r = clo_bpf_maps_take(bpf, obj, adopted);
	if (r < 0)
		return r;
	r = clo_bpf_resize_copy(bpf);
	if (r < 0)
		return r;
	r = clo_bpf_programs_adopt(bpf, obj);
	if (r < 0)
		return r;
	r = clo_bpf_clock_set(bpf);
	if (r < 0)
		return r;
	r = clo_bpf_resize_finish(bpf);
	if (r < 0)
		return r;

	r = clo_bpf_meters_adopt(bpf);
	if (r < 0)
		return r;

	return clo_bpf_live_take(bpf);
}

static int load(struct clo_bpf *bpf, bool adopt, uint32_t connections)
{
	CLO_AUTO(guard) struct guard *object = NULL;
	int r;

	refused[0] = '\0';
	object = guard__open();
	if (!object)
		return -errno;
	r = clo_bpf_resize_prepare(bpf, object->obj, adopt, connections);
	if (r < 0)
		return r;
	r = clo_bpf_maps_prepare(bpf, object->obj, adopt);
	if (r < 0)
		return r;
	r = guard__load(object);
	if (r < 0) {
		clo_log(CLO_LOG_ERR,
			"kernel refuses the datapath program=%s error=%s",
			refused[0] ? refused : "none", strerror(-r));
		return r;
	}

	return take_over(bpf, object->obj, adopt);
}

int clo_bpf_open(const struct clo_bpf_config *config, struct clo_bpf **ret_bpf,
		 bool *ret_adopted)
{
	CLO_AUTO(clo_bpf) struct clo_bpf *bpf = NULL;
	bool adopt;
	int r;

	(void)libbpf_set_print(print);
	r = bpf_new(config->dir, &bpf);
	if (r < 0)
		return r;
	r = clo_bpf_dir_open(bpf, true);
	if (r < 0)
		return r;
	r = choose_attach(bpf, config->attach);
	if (r < 0)
		return r;
	r = clo_bpf_abi_check(bpf);
	if (r < 0 && r != -ENOENT)
		return r;
	adopt = r != -ENOENT;
	if (!adopt) {
		r = clear_fragments(bpf);
		if (r < 0)
			return r;
	}
	r = make_dirs(bpf);
	if (r < 0)
		return r;
	r = clo_bpf_grace_init(bpf);
	if (r < 0)
		return r;
	r = load(bpf, adopt, config->connections);
	if (r < 0)
		return r;

	*ret_bpf = CLO_TAKE(bpf);
	*ret_adopted = adopt;
	return 0;
}

int clo_bpf_remove(const char *dir)
{
	CLO_AUTO(clo_bpf) struct clo_bpf *bpf = NULL;
	int r;

	(void)libbpf_set_print(print);
	r = bpf_new(dir, &bpf);
	if (r < 0)
		return r;
	r = clo_bpf_dir_open(bpf, false);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = clo_bpf_links_remove(bpf);
	if (r < 0)
		return r;
	r = clo_bpf_clsact_remove();
	if (r < 0)
		return r;

	return clo_bpf_dir_remove(bpf);
}
