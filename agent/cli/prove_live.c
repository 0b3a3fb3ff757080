/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The part of the self-test that needs a kernel. It is a program of its own:
 * this one is linked to nothing that speaks to kernel or libvirt.
 */

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/auto.h"
#include "agent/cli/output.h"
#include "agent/cli/prove.h"

#define HELPER "cloison-selftest"
#define ANSWER_MAX 16384
#define PATH_LEN 1024
#define PLANT "tap without its programs"

/* Where this program was installed, or built. */
static int find_helper(char ret_path[PATH_LEN])
{
	static const char *const beside[] = {"../libexec/cloison",
					     "../selftest"};
	char self[PATH_LEN] = "";
	const char *dir;

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return -errno;
	dir = dirname(self);
	for (size_t i = 0; i < CLO_ARRAY_LEN(beside); i++) {
		int n = snprintf(ret_path, PATH_LEN, "%s/%s/" HELPER, dir,
				 beside[i]);

		if (n < PATH_LEN && access(ret_path, X_OK) == 0)
			return 0;
	}
	return -ENOENT;
}

static int spawn(char *path, int out)
{
	char *const argv[] = {path, NULL};
	char *const envp[] = {NULL};
	posix_spawn_file_actions_t actions;
	pid_t pid = -1;
	int r = posix_spawn_file_actions_init(&actions);

	if (r != 0)
		return -r;
	r = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	if (r == 0)
		r = posix_spawn(&pid, path, &actions, NULL, argv, envp);
	(void)posix_spawn_file_actions_destroy(&actions);
	return r != 0 ? -r : (int)pid;
}

static json_t *read_answer(int fd)
{
	CLO_AUTO_MEM char *text = malloc(ANSWER_MAX);
	size_t len = 0;
	ssize_t n = 1;

	while (text && n > 0 && len < ANSWER_MAX) {
		n = read(fd, text + len, ANSWER_MAX - len);
		len += n > 0 ? (size_t)n : 0;
	}
	return text ? json_loadb(text, len, 0, NULL) : NULL;
}

/* 0 with what it printed, or -errno. */
static int ask_helper(json_t **ret_answer)
{
	char path[PATH_LEN];
	CLO_AUTO_FD int in = -1;
	CLO_AUTO_FD int out = -1;
	int ends[2], status = 0;
	int r = find_helper(path);

	if (r < 0)
		return r;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	in = ends[0];
	out = ends[1];
	r = spawn(path, out);
	if (r < 0)
		return r;
	(void)close(clo_take_fd(&out)); /* the end of the answer is its exit */
	*ret_answer = read_answer(in);
	if (waitpid(r, &status, 0) < 0)
		return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

static json_t *live_plants(void)
{
	json_t *answer = NULL;
	int r = ask_helper(&answer);

	if (r == 0 && json_array_size(answer) > 0)
		return answer;
	json_decref(answer);
	return json_pack(
		"[{s:s, s:s, s:o}]", "name", PLANT, "result", "not run", "text",
		json_sprintf(HELPER ": %s",
			     r < 0 ? strerrordesc_np(-r) : "it says nothing"));
}

static void set_count(json_t *result, const char *key, json_int_t n)
{
	(void)json_object_set_new(result, key, json_integer(n));
}

int clo_prove_add_live(json_t *result)
{
	json_int_t planted = clo_member_int(result, "planted");
	json_int_t found = clo_member_int(result, "found");
	json_int_t not_run = 0;
	json_auto_t *plants = live_plants();
	json_t *plant;
	size_t i;

	if (!plants)
		return -ENOMEM;
	json_array_foreach (plants, i, plant) {
		const char *outcome = clo_member_text(plant, "result");
		bool is_found = strcmp(outcome, "found") == 0;

		not_run += strcmp(outcome, "not run") == 0;
		planted += is_found || strcmp(outcome, "missed") == 0;
		found += is_found;
	}
	if (json_array_extend(json_object_get(result, "plants"), plants) < 0)
		return -ENOMEM;
	set_count(result, "planted", planted);
	set_count(result, "found", found);
	set_count(result, "notRun", not_run);
	(void)json_object_set_new(
		result, "passed",
		json_boolean(planted > 0 && found == planted));
	return 0;
}
