/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static const char *const dirs[] = {
	"acme",        "acme/production", "acme/production/web",
	"acme/test",   "acme/test/web",   "globex",
	"globex/test", "globex/test/db",  "base",
};

const char *const tree_names[N_WHO] = {"acme/production/web", "acme/test/web",
				       "globex/test/db"};

char *tree_path(const struct tree *tree, const char *name)
{
	static char buffers[4][256];
	static unsigned int next;
	char *at = buffers[next++ % 4];

	(void)snprintf(at, sizeof(buffers[0]), "%s/%s", tree->top, name);
	return at;
}

void tree_run(const char **argv)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

		(void)dup2(null, STDOUT_FILENO);
		(void)execvp(argv[0], (char **)(void *)argv);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

void tree_own(const struct tree *tree, const char *name, enum tree_who who)
{
	assert_int_equal(chown(tree_path(tree, name), tree->profiles[who].uid,
			       tree->profiles[who].gid),
			 0);
	assert_int_equal(chmod(tree_path(tree, name), 0600), 0);
}

/* An image of a workload's; `backing` as it is to be written. */
void tree_make(const struct tree *tree, const char *name, enum tree_who who,
	       const char *format, const char *backing)
{
	const char *argv[14] = {"qemu-img", "create", "-q", "-f", format};
	size_t n = 5;

	if (backing) {
		argv[n++] = "-u";
		argv[n++] = "-b";
		argv[n++] = backing;
		argv[n++] = "-F";
		argv[n++] = "qcow2";
	}
	argv[n++] = tree_path(tree, name);
	argv[n++] = "1M";
	tree_run(argv);
	tree_own(tree, name, who);
}

static void make_dirs(struct tree *tree)
{
	for (size_t i = 0; i < CLO_ARRAY_LEN(dirs); i++)
		assert_int_equal(mkdir(tree_path(tree, dirs[i]), 0711), 0);
	for (int i = 0; i < N_WHO; i++) {
		(void)snprintf(tree->dir[i], sizeof(tree->dir[i]), "%s/%s",
			       tree->top, tree_names[i]);
		tree->profiles[i] = (struct clo_profile){
			.workload = tree_names[i],
			.uid = 64001U + (uid_t)i,
			.gid = 64001U + (gid_t)i,
			.directory = tree->dir[i],
			.bases = tree->bases,
			.n_bases = 1,
		};
		tree->others[i] = &tree->profiles[i];
	}
}

int tree_set_up(void **state)
{
	struct tree *tree = calloc(1, sizeof(*tree));

	assert_non_null(tree);
	tree->with = *state;
	(void)strcpy(tree->top, "/run/clo-chain-XXXXXX");
	assert_non_null(mkdtemp(tree->top));
	assert_int_equal(chmod(tree->top, 0711), 0);
	(void)snprintf(tree->base, sizeof(tree->base), "%s/base", tree->top);
	tree->bases[0] = tree->base;
	tree->running = true;
	make_dirs(tree);
	tree->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(tree->root >= 0);
	tree_make(tree, "base/os.qcow2", WEB, "qcow2", NULL);
	assert_int_equal(chown(tree_path(tree, "base/os.qcow2"), 0, 0), 0);
	assert_int_equal(chmod(tree_path(tree, "base/os.qcow2"), 0644), 0);
	tree_make(tree, "acme/production/web/disk", WEB, "qcow2",
		  "../../../base/os.qcow2");
	tree_make(tree, "acme/production/web/raw", WEB, "raw", NULL);
	tree_make(tree, "acme/test/web/disk", TEST, "qcow2", NULL);
	tree_make(tree, "globex/test/db/disk", OTHER, "qcow2", NULL);
	*state = tree;
	return 0;
}

static int remove_one(const char *name, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(name);
}

int tree_tear_down(void **state)
{
	struct tree *tree = *state;

	(void)umount2(tree_path(tree, "acme/production/web/m"), MNT_DETACH);
	(void)nftw(tree->top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	(void)close(tree->root);
	clo_findings_done(&tree->findings);
	clo_uses_done(&tree->uses);
	free(tree);
	return 0;
}

void tree_look_at(struct tree *tree, enum tree_who who, const char *disk,
		  enum clo_image_format format, bool writable)
{
	const struct clo_chain chain = {
		.root = tree->root,
		.profile = &tree->profiles[who],
		.others = tree->others,
		.n_others = N_WHO,
		.running = tree->running,
	};
	const struct clo_chain_file file = {
		.path = tree_path(tree, disk),
		.image = true,
		.format = format,
		.writable = writable,
	};

	assert_int_equal(
		clo_chain_check(&chain, &file, 1, &tree->uses, &tree->findings),
		0);
}
