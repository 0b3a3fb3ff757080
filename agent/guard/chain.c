/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/chain.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/path.h"
#include "agent/guard/tell.h"
#include "agent/guard/walk.h"

#define CONTROL "sto.no-shared-residual"

struct key {
	dev_t dev;
	ino_t ino;
};

/* One workload is looked at; the file at `path` just now. */
struct look {
	const struct clo_chain *chain;
	struct clo_uses *uses;
	struct clo_tell tell;
	struct key seen[CLO_CHAIN_MAX]; /* of this file's chain */
	unsigned int depth;
	bool in_base; /* from here on only bases */
	bool writable;
	bool image;
	enum clo_image_format expected;
	char path[PATH_MAX];
	char behind[PATH_MAX];
	struct clo_image header;
	uint8_t head[CLO_IMAGE_HEAD];
};

static const char *base_of(const struct clo_profile *profile, const char *path)
{
	for (size_t i = 0; i < profile->n_bases; i++)
		if (clo_path_is_below(path, profile->bases[i]))
			return profile->bases[i];
	return NULL;
}

static void tell_foreign(struct look *look)
{
	const struct clo_chain *chain = look->chain;

	for (size_t i = 0; i < chain->n_others; i++) {
		const struct clo_profile *other = chain->others[i];

		if (!clo_path_is_below(look->path, other->directory) ||
		    strcmp(other->directory, chain->profile->directory) == 0)
			continue;
		clo_tell(&look->tell,
			 clo_uses_control(chain->profile->workload,
					  other->workload),
			 look->path,
			 "is %s's and reached by %s: give it a copy of its own",
			 other->workload, chain->profile->workload);
		return;
	}
	clo_tell(&look->tell, CONTROL, look->path,
		 "is neither below %s nor a base: move it there",
		 chain->profile->directory);
}

static bool is_told(const struct look *look, const char *where)
{
	const struct clo_findings *findings = look->tell.findings;

	for (size_t i = 0; i < findings->n; i++)
		if (strcmp(findings->list[i].where, where) == 0)
			return true;
	return false;
}

static void check_directory(void *data, const char *directory,
			    const struct stat *st)
{
	struct look *look = data;

	if ((st->st_uid != 0 || st->st_mode & 022) && !is_told(look, directory))
		clo_tell(&look->tell, CONTROL, directory,
			 "others than root can put files in it (of %u, %04o): "
			 "chown it to root and chmod it to 0711",
			 st->st_uid, st->st_mode & 07777U);
}

static void check_own(struct look *look, const struct stat *st)
{
	const struct clo_profile *profile = look->chain->profile;
	bool own = st->st_uid == profile->uid && st->st_gid == profile->gid;

	if (!own && (look->chain->running || st->st_uid != 0))
		clo_tell(&look->tell, CONTROL, look->path,
			 "is of %u:%u: chown it to %u:%u", st->st_uid,
			 st->st_gid, profile->uid, profile->gid);
	if (st->st_mode & 07177)
		clo_tell(&look->tell, CONTROL, look->path,
			 "has mode %04o: chmod it to 0600",
			 st->st_mode & 07777U);
	if (st->st_nlink != 1)
		clo_tell(&look->tell, CONTROL, look->path,
			 "has %lu names: another one leads around its "
			 "directory, remove it",
			 (unsigned long)st->st_nlink);
}

static void check_base(struct look *look, const struct stat *st)
{
	if (st->st_uid != 0 || st->st_mode & 022)
		clo_tell(&look->tell, CONTROL, look->path,
			 "is a base that others than root can write (of %u, "
			 "%04o): chown it to root and chmod it to 0644",
			 st->st_uid, st->st_mode & 07777U);
	if (look->writable)
		clo_tell(&look->tell, CONTROL, look->path,
			 "is a base and used writable: make it read-only or "
			 "put an image before it");
}

static const char *why_not(int r)
{
	switch (r) {
	case -ELOOP:
		return "is behind a symbolic link: name the file itself";
	case -EXDEV:
		return "is behind a mount below its directory: unmount it";
	case -EINVAL:
		return "is no plain path: it needs resolving";
	case -ENOENT:
		return "is not there";
	default:
		return strerrordesc_np(-r);
	}
}

/* A chain that comes back would have no end. */
static bool is_new(struct look *look, const struct stat *st)
{
	for (unsigned int i = 0; i < look->depth; i++)
		if (look->seen[i].dev == st->st_dev &&
		    look->seen[i].ino == st->st_ino) {
			clo_tell(&look->tell, CONTROL, look->path,
				 "is its own backing file: the chain has no "
				 "end");
			return false;
		}
	look->seen[look->depth] = (struct key){st->st_dev, st->st_ino};
	return true;
}

/* An O_PATH descriptor of the file at look->path, or -1 after a finding. */
static int find_file(struct look *look, struct stat *st)
{
	const struct clo_profile *profile = look->chain->profile;
	bool own = clo_path_is_below(look->path, profile->directory);
	const char *base = own ? NULL : base_of(profile, look->path);
	CLO_AUTO_FD int fd = -1;

	if (!own && !base) {
		tell_foreign(look);
		return -1;
	}
	if (own && look->in_base)
		clo_tell(&look->tell, CONTROL, look->path,
			 "is a workload's own and stands behind a base");
	look->in_base = base != NULL;
	fd = clo_walk(look->chain->root, look->path,
		      strlen(own ? profile->directory : base), check_directory,
		      look);
	if (fd < 0 || fstat(fd, st) < 0) {
		clo_tell(&look->tell, CONTROL, look->path, "%s",
			 why_not(fd < 0 ? fd : -errno));
		return -1;
	}
	if (!S_ISREG(st->st_mode) && !S_ISBLK(st->st_mode)) {
		clo_tell(&look->tell, CONTROL, look->path,
			 "is neither a file nor a block device");
		return -1;
	}
	return clo_take_fd(&fd);
}

/* -1 after a finding. */
static int check_file(struct look *look)
{
	struct stat st;
	CLO_AUTO_FD int fd = find_file(look, &st);

	if (fd < 0)
		return -1;
	if (look->in_base)
		check_base(look, &st);
	else
		check_own(look, &st);
	if (look->uses &&
	    clo_uses_add(look->uses, &st, look->chain->profile->workload,
			 look->path, look->writable) < 0)
		look->tell.r = -ENOMEM;
	return is_new(look, &st) ? clo_take_fd(&fd) : -1;
}

/* The begin of a file behind an O_PATH descriptor; -errno. */
static ssize_t read_head(int fd, uint8_t head[CLO_IMAGE_HEAD])
{
	char name[64];
	CLO_AUTO_FD int file = -1;
	size_t len = 0;
	ssize_t n = 1;

	(void)snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	file = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (file < 0)
		return -errno;
	while (n > 0 && len < CLO_IMAGE_HEAD) {
		n = pread(file, head + len, CLO_IMAGE_HEAD - len, (off_t)len);
		if (n < 0)
			return -errno;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

/* What it is against what it must be; false: nothing more to follow. */
static bool check_format(struct look *look)
{
	const struct clo_image *header = &look->header;

	if (header->format != look->expected && look->expected == CLO_IMAGE_RAW)
		clo_tell(&look->tell, CONTROL, look->path,
			 "is declared raw and begins like %s: who reads it as "
			 "that opens the files that its guest named",
			 header->name);
	else if (header->format != look->expected)
		clo_tell(&look->tell, CONTROL, look->path,
			 "is declared qcow2 and begins like %s", header->name);
	return header->format == look->expected &&
	       header->format == CLO_IMAGE_QCOW2;
}

static bool check_image(struct look *look, int fd)
{
	struct clo_image *header = &look->header;
	ssize_t len = read_head(fd, look->head);
	int r;

	if (len < 0) {
		clo_tell(&look->tell, CONTROL, look->path, "cannot be read: %s",
			 strerrordesc_np((int)-len));
		return false;
	}
	r = clo_image_read(look->head, (size_t)len, header);
	if (!check_format(look))
		return false;
	if (r < 0) {
		clo_tell(&look->tell, CONTROL, look->path,
			 "has a qcow2 header that cannot be right");
		return false;
	}
	if (header->external)
		clo_tell(&look->tell, CONTROL, look->path,
			 "keeps its data in another file%s%s: convert it",
			 header->data[0] ? ", " : "", header->data);
	return header->backing[0];
}

/*
 * Relative names are relative to the image's directory, which was walked. ".."
 * is taken as text only at their begin, where no link can be before it.
 */
static bool resolve(struct look *look)
{
	const char *backing = look->header.backing;
	size_t len = 0;
	int n;

	if (backing[0] != '/') {
		len = (size_t)(strrchr(look->path, '/') - look->path);
		for (;;) {
			if (strncmp(backing, "./", 2) == 0) {
				backing += 2;
			} else if (strncmp(backing, "../", 3) == 0) {
				backing += 3;
				while (len > 0 && look->path[--len] != '/')
					;
			} else {
				break;
			}
		}
	}
	n = snprintf(look->behind, sizeof(look->behind), "%.*s%s%s", (int)len,
		     look->path, backing[0] == '/' ? "" : "/", backing);
	return n > 0 && (size_t)n < sizeof(look->behind);
}

/* "json:{...}", "nbd://...", "fd:3": as QEMU tells them from files. */
static bool is_protocol(const char *name)
{
	return name[strcspn(name, ":/")] == ':';
}

static bool take_format(struct look *look)
{
	const char *format = look->header.backing_format;

	if (strcmp(format, "raw") == 0)
		look->expected = CLO_IMAGE_RAW;
	else if (strcmp(format, "qcow2") == 0)
		look->expected = CLO_IMAGE_QCOW2;
	else
		clo_tell(&look->tell, CONTROL, look->path,
			 format[0]
				 ? "has a backing file of format %s"
				 : "does not say its backing file's format%s: "
				   "it would be guessed",
			 format);
	return strcmp(format, "raw") == 0 || strcmp(format, "qcow2") == 0;
}

/* From an image to the one behind it; false after a finding. */
static bool step(struct look *look)
{
	const char *backing = look->header.backing;

	if (is_protocol(backing)) {
		clo_tell(&look->tell, CONTROL, look->path,
			 "has the backing file %s, which is no local file",
			 backing);
		return false;
	}
	if (!resolve(look)) {
		clo_tell(&look->tell, CONTROL, look->path,
			 "has a backing file with too long a name");
		return false;
	}
	if (++look->depth == CLO_CHAIN_MAX) {
		clo_tell(&look->tell, CONTROL, look->path,
			 "is the %uth image of its chain and not the last",
			 CLO_CHAIN_MAX);
		return false;
	}
	/* where it leads is told even when how it is read is not known */
	if (!take_format(look))
		look->image = false;
	memcpy(look->path, look->behind, sizeof(look->path));
	look->writable = false;
	return true;
}

static void check_chain(struct look *look, const struct clo_chain_file *file)
{
	look->depth = 0;
	look->in_base = false;
	look->writable = file->writable;
	look->image = file->image;
	look->expected = file->format;
	if (strnlen(file->path, PATH_MAX) == PATH_MAX) {
		clo_tell(&look->tell, CONTROL, "path", "is too long");
		return;
	}
	(void)snprintf(look->path, sizeof(look->path), "%s", file->path);
	for (bool more = true; more;) {
		CLO_AUTO_FD int fd = check_file(look);

		more = fd >= 0 && look->image && check_image(look, fd) &&
		       step(look);
	}
}

int clo_chain_check(const struct clo_chain *chain,
		    const struct clo_chain_file *files, size_t n,
		    struct clo_uses *uses, struct clo_findings *findings)
{
	CLO_AUTO_MEM struct look *look = calloc(1, sizeof(*look));

	if (!look)
		return -ENOMEM;
	look->chain = chain;
	look->uses = uses;
	look->tell.findings = findings;
	for (size_t i = 0; i < n; i++)
		check_chain(look, &files[i]);
	return look->tell.r;
}
