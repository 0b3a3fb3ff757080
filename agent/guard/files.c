/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/guard/chain.h"
#include "agent/guard/xml_impl.h"

#define FILES_MAX 256U /* of one domain */

/* What a domain's XML names. */
struct list {
	struct clo_chain_file files[FILES_MAX];
	xmlChar *texts[FILES_MAX]; /* what their paths are in */
	size_t n;
};

static void list_freep(struct list **list)
{
	for (size_t i = 0; *list && i < (*list)->n; i++)
		xmlFree((*list)->texts[i]);
	free(*list);
}

/* Takes the text. */
static int add(struct list *list, xmlChar *text, struct clo_chain_file file)
{
	if (!text || !*text) {
		xmlFree(text);
		return 0;
	}
	if (list->n == FILES_MAX) {
		xmlFree(text);
		return -E2BIG;
	}
	file.path = (const char *)text;
	list->texts[list->n] = text;
	list->files[list->n++] = file;
	return 0;
}

static int add_disks(struct list *list, const xmlNode *devices)
{
	int r = 0;

	for (const xmlNode *disk = devices ? devices->children : NULL;
	     disk && r == 0; disk = disk->next) {
		const xmlNode *source = clo_xml_child(disk, "source");
		bool block = clo_xml_says(disk, "type", "block");
		bool qcow2 =
			clo_xml_child_says(disk, "driver", "type", "qcow2");

		if (clo_xml_is(disk, "disk"))
			r = add(list,
				clo_xml_attribute(source,
						  block ? "dev" : "file"),
				(struct clo_chain_file){
					.image = true,
					.format = qcow2 ? CLO_IMAGE_QCOW2
							: CLO_IMAGE_RAW,
					.writable = !clo_xml_child(disk,
								   "readonly"),
				});
	}
	return r;
}

static int add_boot(struct list *list, const xmlNode *os, bool running)
{
	static const char *const names[] = {"nvram", "kernel", "initrd"};
	int r = 0;

	for (size_t i = 0; os && r == 0 && i < CLO_ARRAY_LEN(names); i++) {
		const xmlNode *node = clo_xml_child(os, names[i]);
		xmlChar *text = node ? xmlNodeGetContent(node) : NULL;

		/* libvirt makes the first when it is not there */
		if (text && i == 0 && !running &&
		    faccessat(AT_FDCWD, (const char *)text, F_OK,
			      AT_SYMLINK_NOFOLLOW) < 0 &&
		    errno == ENOENT) {
			xmlFree(text);
			continue;
		}
		r = add(list, text,
			(struct clo_chain_file){.writable = i == 0});
	}
	return r;
}

/* Some disk's XML keeps libvirt from making that base the workload's. */
static bool is_kept(const xmlNode *devices, const char *path)
{
	for (const xmlNode *disk = devices ? devices->children : NULL; disk;
	     disk = disk->next)
		for (const xmlNode *at = clo_xml_is(disk, "disk") ? disk : NULL;
		     at; at = clo_xml_child(at, "backingStore")) {
			const xmlNode *source = clo_xml_child(at, "source");

			if (clo_xml_says(source, "file", path) &&
			    clo_xml_child_says(source, "seclabel", "relabel",
					       "no"))
				return true;
		}
	return false;
}

/* Every base that the images lead to. */
static int check_bases(const xmlNode *devices, const struct clo_uses *uses,
		       const struct clo_profile *profile,
		       struct clo_findings *findings)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < uses->n; i++) {
		const char *path = uses->list[i].path;

		if (!clo_xml_below(path, profile->directory) &&
		    !is_kept(devices, path))
			r = clo_finding_add(
				findings, CLO_CONTROL_DATA, path,
				"is a base that libvirt would give to the "
				"workload: name it in <backingStore> with "
				"<seclabel model='dac' relabel='no'/>");
	}
	return r;
}

static int check(const xmlNode *root, const struct clo_profile *profile,
		 bool running, struct clo_findings *findings)
{
	__attribute__((cleanup(list_freep))) struct list *list =
		calloc(1, sizeof(*list));
	const xmlNode *devices = clo_xml_child(root, "devices");
	CLO_AUTO_FD int top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	const struct clo_chain chain = {
		.root = top, .profile = profile, .running = running};
	struct clo_uses uses = {0};
	int r;

	if (!list)
		return -ENOMEM;
	if (top < 0)
		return -errno;
	r = add_disks(list, devices);
	if (r == 0)
		r = add_boot(list, clo_xml_child(root, "os"), running);
	if (r == -E2BIG)
		return clo_finding_add(findings, CLO_CONTROL_DATA, "domain",
				       "names more than %u files", FILES_MAX);
	if (r == 0)
		r = clo_chain_check(&chain, list->files, list->n, &uses,
				    findings);
	if (r == 0)
		r = check_bases(devices, &uses, profile, findings);
	clo_uses_done(&uses);
	return r;
}

int clo_files_check(const char *xml, const struct clo_profile *profile,
		    bool running, struct clo_findings *findings)
{
	CLO_AUTO_XML_DOC xmlDocPtr doc = NULL;
	int r;

	r = clo_xml_open(xml, &doc);
	return r < 0 ? r
		     : check(xmlDocGetRootElement(doc), profile, running,
			     findings);
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
