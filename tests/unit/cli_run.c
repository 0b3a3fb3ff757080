/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_run.h"

#include <endian.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "agent/core/message.h"
#include "check.h"

#define DEADLINE_MS 30000
#define ARGUMENTS_MAX 48

int cli_setup(void **state)
{
	struct cli *cli = calloc(1, sizeof(*cli));

	assert_non_null(cli);
	cli->listener = -1;
	(void)snprintf(cli->dir, sizeof(cli->dir), "/tmp/cloison-cli.XXXXXX");
	assert_non_null(mkdtemp(cli->dir));
	assert_true(chmod(cli->dir, 0755) == 0);
	(void)snprintf(cli->socket, sizeof(cli->socket), "%s/control",
		       cli->dir);
	*state = cli;
	return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type,
			struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void stop_serving(struct cli *cli)
{
	size_t i;

	if (!cli->serving)
		return;

	assert_true(pthread_join(cli->thread, NULL) == 0);
	(void)close(cli->listener);
	(void)unlink(cli->socket);
	for (i = 0; i < cli->n_replies; i++)
		free(cli->replies[i].bytes);
	cli->n_replies = 0;
	cli->serving = false;
}

int cli_teardown(void **state)
{
	struct cli *cli = *state;

	stop_serving(cli);
	(void)nftw(cli->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	json_decref(cli->request);
	free(cli);
	return 0;
}

char *cli_path(const struct cli *cli, const char *name)
{
	char *path = NULL;

	assert_true(asprintf(&path, "%s/%s", cli->dir, name) > 0);
	return path;
}

void cli_write(const struct cli *cli, const char *name, const char *text)
{
	CLO_AUTO_MEM char *path = cli_path(cli, name);
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* One connection each; a client that never comes ends it at the deadline. */
static void *serve(void *arg)
{
	struct cli *cli = arg;
	size_t i;

	for (i = 0; i < cli->n_replies; i++) {
		struct pollfd pollfd = {.fd = cli->listener, .events = POLLIN};
		CLO_AUTO_FD int fd = -1;

		if (poll(&pollfd, 1, DEADLINE_MS) != 1)
			return NULL;
		fd = accept4(cli->listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			return NULL;

		json_decref(cli->request);
		cli->request = NULL;
		(void)clo_message_receive(fd, DEADLINE_MS, &cli->request);
		(void)send(fd, cli->replies[i].bytes, cli->replies[i].len,
			   MSG_NOSIGNAL);
	}
	return NULL;
}

static void listen_and_serve(struct cli *cli)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s",
		       cli->socket);
	cli->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(cli->listener >= 0);
	assert_true(bind(cli->listener, (struct sockaddr *)&address,
			 sizeof(address)) == 0);
	assert_true(listen(cli->listener, 4) == 0);
	assert_true(pthread_create(&cli->thread, NULL, serve, cli) == 0);
	cli->serving = true;
}

static void add_reply(struct cli *cli, const char *bytes, size_t len,
		      bool framed)
{
	uint32_t le = htole32((uint32_t)len);
	size_t header = framed ? sizeof(le) : 0;
	char *copy = malloc(header + len + 1);

	assert_true(copy && cli->n_replies < CLI_REPLIES_MAX);
	memcpy(copy, &le, header);
	memcpy(copy + header, bytes, len);
	cli->replies[cli->n_replies].bytes = copy;
	cli->replies[cli->n_replies++].len = header + len;
}

void cli_serve(struct cli *cli, ...)
{
	const char *reply;
	va_list replies;

	stop_serving(cli);
	va_start(replies, cli);
	while ((reply = va_arg(replies, const char *)))
		add_reply(cli, reply, strlen(reply), true);
	va_end(replies);
	listen_and_serve(cli);
}

void cli_serve_raw(struct cli *cli, const char *bytes, size_t len)
{
	stop_serving(cli);
	add_reply(cli, bytes, len, false);
	listen_and_serve(cli);
}

__attribute__((noreturn)) static void become(const struct cli *cli, int binary,
					     char *const *arguments, int out,
					     int err)
{
	static char path[] = "PATH=/usr/bin:/bin", term[] = "TERM=xterm";
	static char asan[] = "ASAN_OPTIONS=exitcode=99";
	char *environment[] = {path, term, asan, NULL};

	if (cli->nobody && geteuid() == 0 &&
	    (setgid(65534) < 0 || setuid(65534) < 0))
		_exit(97);
	if (out < 0)
		(void)close(STDOUT_FILENO);
	else if (dup2(out, STDOUT_FILENO) < 0)
		_exit(97);
	if (dup2(err, STDERR_FILENO) < 0)
		_exit(97);

	/* By descriptor: nobody may not reach the build directory. */
	(void)fexecve(binary, arguments, environment);
	_exit(98);
}

static void read_all(int fd, char *text)
{
	ssize_t n;
	size_t len = 0;

	/* EIO is a terminal's end of file. */
	while ((n = read(fd, text + len, CLI_OUTPUT_MAX - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
}

static int open_out(const struct cli *cli, int *ret_near)
{
	int out;

	if (cli->terminal) {
		*ret_near = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
		assert_true(*ret_near >= 0 && grantpt(*ret_near) == 0 &&
			    unlockpt(*ret_near) == 0);
		return open(ptsname(*ret_near), O_RDWR | O_NOCTTY | O_CLOEXEC);
	}
	if (cli->out_path)
		return cli->out_path[0] == '\0'
			       ? -1
			       : open(cli->out_path, O_WRONLY | O_CLOEXEC);

	out = memfd_create("out", MFD_CLOEXEC);
	assert_true(out >= 0);
	*ret_near = dup(out);
	return out;
}

static void run(struct cli *cli, char *const *arguments)
{
	CLO_AUTO_FD int binary = open(CLO_CLI, O_RDONLY | O_CLOEXEC);
	CLO_AUTO_FD int err = memfd_create("err", MFD_CLOEXEC);
	CLO_AUTO_FD int near = -1;
	int out = open_out(cli, &near), status;
	pid_t pid;

	assert_true(binary >= 0 && err >= 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		become(cli, binary, arguments, out, err);

	if (out >= 0)
		(void)close(out);
	cli->out[0] = '\0';
	/* A terminal holds little: read while the command writes. */
	if (cli->terminal)
		read_all(near, cli->out);
	assert_true(waitpid(pid, &status, 0) == pid);
	assert_true(WIFEXITED(status));
	cli->exit = WEXITSTATUS(status);

	if (!cli->terminal && near >= 0) {
		assert_true(lseek(near, 0, SEEK_SET) == 0);
		read_all(near, cli->out);
	}
	assert_true(lseek(err, 0, SEEK_SET) == 0);
	read_all(err, cli->err);
}

void cli_run(struct cli *cli, ...)
{
	static char name[] = "cloison", option[] = "--socket";
	char *arguments[ARGUMENTS_MAX] = {name, option, cli->socket};
	size_t n = 3;
	va_list more;

	va_start(more, cli);
	while (n + 1 < ARGUMENTS_MAX && (arguments[n] = va_arg(more, char *)))
		n++;
	va_end(more);
	run(cli, arguments);
	stop_serving(cli);
}
