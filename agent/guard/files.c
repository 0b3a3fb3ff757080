/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/guard/qcow2.h"
#include "agent/guard/xml_impl.h"

#define CHAIN_MAX 16

struct look {
	const struct clo_profile *profile;
	struct clo_findings *findings;
	bool running;
	uint8_t *head; /* CLO_QCOW2_HEAD bytes */
	const xmlNode *disk; /* whose chain it is */
	int r;
};

__attribute__((format(printf, 4, 5))) static void find(struct look *look,
						       const char *control,
						       const char *path,
						       const char *fmt, ...)
{
	char text[512];
	va_list args;
	int r;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	r = clo_finding_add(look->findings, control, path, "%s", text);
	if (r < 0)
		look->r = r;
}

static int open_plain(const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	long fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

/* A file of the workload's. */
static void check_own(struct look *look, const char *path,
		      const struct stat *st)
{
	const struct clo_profile *profile = look->profile;
	bool own = st->st_uid == profile->uid && st->st_gid == profile->gid;

	if (!own && (look->running || st->st_uid != 0))
		find(look, CLO_CONTROL_DATA, path,
		     "is of %u:%u: chown it to %u:%u", st->st_uid, st->st_gid,
		     profile->uid, profile->gid);
	if (st->st_mode & 077)
		find(look, CLO_CONTROL_DATA, path,
		     "is open to others (%04o): chmod it to 0600",
		     st->st_mode & 07777U);
	if (st->st_nlink != 1)
		find(look, CLO_CONTROL_DATA, path,
		     "has %lu names: there is a way around its directory",
		     (unsigned long)st->st_nlink);
}

/* What several workloads read. */
static void check_base(struct look *look, const char *path,
		       const struct stat *st)
{
	if (st->st_uid != 0 || st->st_mode & 022)
		find(look, CLO_CONTROL_DATA, path,
		     "is a base that others than root can write: chown it to "
		     "root and chmod it to 0644");
}

/* Its descriptor, or -1 after a finding. */
static int check_file(struct look *look, const char *path, bool own)
{
	CLO_AUTO_FD int fd = open_plain(path);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		find(look, CLO_CONTROL_DATA, path, "%s",
		     fd == -ELOOP    ? "is behind a symbolic link"
		     : fd == -ENOENT ? "is not there"
				     : strerrordesc_np(fd < 0 ? -fd : errno));
		return -1;
	}
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
		find(look, CLO_CONTROL_DATA, path,
		     "is neither a file nor a block device");
		return -1;
	}
	if (own)
		check_own(look, path, &st);
	else
		check_base(look, path, &st);
	return clo_take_fd(&fd);
}

/* A backing file's name is relative to the image that has it. */
static bool resolve(const char *image, const char *backing, char path[2048])
{
	const char *slash = strrchr(image, '/');
	int n;

	/* "json:{...}", "nbd://..." and the like are no files */
	if (backing[0] != '/' && strcspn(backing, ":") < strcspn(backing, "/"))
		return false;
	if (backing[0] == '/')
		n = snprintf(path, 2048, "%s", backing);
	else
		n = snprintf(path, 2048, "%.*s/%s", (int)(slash - image), image,
			     backing);
	return n > 0 && n < 2048;
}

/* The XML keeps libvirt from making that base the scope's. */
static bool is_kept(const struct look *look, const char *path)
{
	for (const xmlNode *at = look->disk; at;
	     at = clo_xml_child(at, "backingStore")) {
		const xmlNode *source = clo_xml_child(at, "source");

		if (clo_xml_says(source, "file", path) &&
		    clo_xml_child_says(source, "seclabel", "relabel", "no"))
			return true;
	}
	return false;
}

static void check_chain(struct look *look, const char *path, bool qcow2,
			int depth);

/* What the image's own header leads to. */
static void check_image(struct look *look, const char *path, int fd, bool qcow2,
			int depth)
{
	ssize_t len = pread(fd, look->head, CLO_QCOW2_HEAD, 0);
	struct clo_qcow2 image;
	char behind[2048];

	if (len < 0)
		return;
	if (!qcow2) {
		if (clo_qcow2_is(look->head, (size_t)len))
			find(look, "env.no-shared-data", path,
			     "is declared raw and begins like qcow2: who wrote "
			     "that could have any file opened");
		return;
	}
	if (clo_qcow2_read(look->head, (size_t)len, &image) < 0)
		find(look, CLO_CONTROL_DATA, path, "is no qcow2 image");
	else if (image.external)
		find(look, "env.no-shared-data", path,
		     "keeps its data in another file");
	else if (image.backing[0] && !resolve(path, image.backing, behind))
		find(look, "env.no-shared-data", path,
		     "has a backing file that is no local file");
	else if (image.backing[0])
		/* whatever the format that it says: both are looked for */
		check_chain(look, behind, false, depth + 1);
}

static void check_chain(struct look *look, const char *path, bool qcow2,
			int depth)
{
	bool own = clo_xml_below(path, look->profile->directory);
	CLO_AUTO_FD int fd = -1;

	if (!own && !clo_xml_in_bases(look->profile, path)) {
		find(look, "env.no-shared-data", path,
		     "is neither the workload's own nor a base: no image may "
		     "be built on it");
		return;
	}
	if (!own && depth > 0 && !is_kept(look, path))
		find(look, CLO_CONTROL_DATA, path,
		     "is a base that libvirt would give to the workload: name "
		     "it in <backingStore> with <seclabel model='dac' "
		     "relabel='no'/>");
	if (depth > CHAIN_MAX) {
		find(look, CLO_CONTROL_DATA, path,
		     "has more than %d images behind it", CHAIN_MAX);
		return;
	}
	fd = check_file(look, path, own);
	if (fd < 0)
		return;
	if (depth > 0) {
		uint8_t magic[4] = {0};

		qcow2 = pread(fd, magic, sizeof(magic), 0) == 4 &&
			clo_qcow2_is(magic, sizeof(magic));
	}
	check_image(look, path, fd, qcow2, depth);
}

static void check_disk(struct look *look, const xmlNode *disk)
{
	const xmlNode *source = clo_xml_child(disk, "source");
	CLO_AUTO_XML xmlChar *path = clo_xml_attribute(
		source, clo_xml_says(disk, "type", "block") ? "dev" : "file");

	look->disk = disk;
	if (path)
		check_chain(look, (const char *)path,
			    clo_xml_child_says(disk, "driver", "type", "qcow2"),
			    0);
}

static void check_boot(struct look *look, const xmlNode *os)
{
	static const char *const names[] = {"nvram", "kernel", "initrd"};

	for (size_t i = 0; os && i < CLO_ARRAY_LEN(names); i++) {
		const xmlNode *node = clo_xml_child(os, names[i]);
		CLO_AUTO_XML xmlChar *text =
			node ? xmlNodeGetContent(node) : NULL;
		const char *path = (const char *)text;
		CLO_AUTO_FD int fd = -1;

		if (!path || !*path)
			continue;
		/* libvirt makes it, when it is not there */
		if (i == 0 && !look->running && access(path, F_OK) < 0)
			continue;
		fd = check_file(look, path, true);
	}
}

int clo_files_check(const char *xml, const struct clo_profile *profile,
		    bool running, struct clo_findings *findings)
{
	CLO_AUTO_MEM uint8_t *head = malloc(CLO_QCOW2_HEAD);
	struct look look = {
		.profile = profile,
		.findings = findings,
		.running = running,
		.head = head,
	};
	CLO_AUTO_XML_DOC xmlDocPtr doc = NULL;
	const xmlNode *root;
	const xmlNode *devices;
	int r;

	if (!head)
		return -ENOMEM;
	r = clo_xml_read(xml, strnlen(xml, CLO_XML_MAX + 1), &doc);
	if (r < 0)
		return r == -ENOMEM ? r : -EINVAL;
	root = xmlDocGetRootElement(doc);
	devices = root ? clo_xml_child(root, "devices") : NULL;
	for (const xmlNode *node = devices ? devices->children : NULL; node;
	     node = node->next)
		if (clo_xml_is(node, "disk"))
			check_disk(&look, node);
	check_boot(&look, root ? clo_xml_child(root, "os") : NULL);
	return look.r;
}

static int close_file(const char *path, const struct clo_profile *profile)
{
	CLO_AUTO_FD int fd = open_plain(path);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fd < 0 ? fd : -errno;
	/* with another name it may be somebody else's */
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
		return -EPERM;
	if (fchown(fd, profile->uid, profile->gid) < 0 || fchmod(fd, 0600) < 0)
		return -errno;
	return 0;
}

int clo_files_repair(const struct clo_findings *findings,
		     const struct clo_profile *profile)
{
	int worst = 0;

	for (size_t i = 0; i < findings->n; i++) {
		int r = 0;

		if (clo_xml_below(findings->list[i].where, profile->directory))
			r = close_file(findings->list[i].where, profile);
		if (r < 0)
			worst = r;
	}
	return worst;
}
