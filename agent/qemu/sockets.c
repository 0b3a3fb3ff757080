/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/base/path.h"
#include "agent/qemu/qemu.h"

/*
 * "socket,id=ID,path=PATH" and nothing more: a client, as libvirt writes the
 * one of an external TPM. Others say that they listen.
 */
static const char *client_path(const char *chardev, size_t *ret_id_len)
{
	static const char begin[] = "socket,id=";
	static const char then[] = ",path=";
	const char *path;

	if (strncmp(chardev, begin, strlen(begin)) != 0)
		return NULL;
	*ret_id_len = strcspn(chardev + strlen(begin), ",");
	path = chardev + strlen(begin) + *ret_id_len;
	if (strncmp(path, then, strlen(then)) != 0)
		return NULL;
	path += strlen(then);
	return strchr(path, ',') ? NULL : path;
}

static bool is_own(const struct clo_sandbox_file *sandbox, const char *path)
{
	if (!clo_sandbox_path_valid(path))
		return false;
	for (size_t i = 0; i < sandbox->n_paths; i++) {
		const struct clo_sandbox_path *own = &sandbox->paths[i];

		if (own->writable && clo_path_is_below(path, own->path))
			return true;
	}
	return false;
}

/* Whoever listens there is of the same user, whatever the path leads to. */
static int connect_to(const char *path, int *ret_fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	CLO_AUTO_FD int fd = -1;
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	/* no O_CLOEXEC: it is for QEMU */
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (fd < 0 ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return -errno;
	if (peer.uid != geteuid())
		return -EACCES;

	*ret_fd = clo_take_fd(&fd);
	return 0;
}

int clo_qemu_sockets(int argc, char **argv,
		     const struct clo_sandbox_file *sandbox,
		     const char **ret_where)
{
	for (int i = 1; i + 1 < argc; i++) {
		char *text = NULL;
		const char *path;
		size_t id_len;
		int fd = -1;
		int r;

		if (strcmp(argv[i], "-chardev") != 0)
			continue;
		path = client_path(argv[++i], &id_len);
		if (!path)
			continue;
		*ret_where = path;
		r = is_own(sandbox, path) ? connect_to(path, &fd) : -EACCES;
		if (r < 0)
			return r;
		if (asprintf(&text, "socket,id=%.*s,fd=%d", (int)id_len,
			     argv[i] + strlen("socket,id="), fd) < 0) {
			(void)close(fd);
			return -ENOMEM;
		}
		argv[i] = text; /* QEMU's, with the descriptor */
	}
	return 0;
}
