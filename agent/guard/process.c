/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/base/file.h"
#include "agent/sys/xml.h"

#define FILTERS_MIN 4U /* the wrapper's three, and QEMU's own */

/* A plain file of that directory; the caller frees. */
static int read_plain(int dirfd, const char *name, char **ret_text,
		      size_t *ret_len)
{
	CLO_AUTO_FD int fd = openat(
		dirfd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode)
		       ? clo_file_read_fd(fd, CLO_XML_MAX, ret_text, ret_len)
		       : -EBADMSG;
}

int clo_process_find(int state, const char *domain, pid_t *ret_pid)
{
	CLO_AUTO_MEM char *text = NULL;
	CLO_AUTO_XML_DOC xmlDocPtr doc = NULL;
	CLO_AUTO_XML xmlChar *pid = NULL;
	const xmlNode *root;
	char name[300];
	size_t len = 0;
	char *end;
	long number;
	int r;

	if (strchr(domain, '/') ||
	    (size_t)snprintf(name, sizeof(name), "%s.xml", domain) >=
		    sizeof(name))
		return -EINVAL;
	r = read_plain(state, name, &text, &len);
	if (r < 0)
		return r;
	r = clo_xml_read(text, len, &doc);
	if (r < 0)
		return r;
	root = xmlDocGetRootElement(doc);
	pid = root && clo_xml_is(root, "domstatus")
		      ? clo_xml_attribute(root, "pid")
		      : NULL;
	if (!pid)
		return -EBADMSG;
	errno = 0;
	number = strtol((const char *)pid, &end, 10);
	if (errno != 0 || *end || number < 1 || number > INT32_MAX)
		return -EBADMSG;
	*ret_pid = (pid_t)number;
	return 0;
}

int clo_process_check(int proc, pid_t pid, const struct clo_profile *profile,
		      struct clo_findings *findings,
		      struct clo_confinement **ret_process)
{
	CLO_AUTO(clo_confinement) struct clo_confinement *confinement = NULL;
	const struct group *kvm = getgrnam("kvm"); /* whose /dev/kvm is */
	const gid_t group = kvm ? kvm->gr_gid : 0;
	const struct clo_confinement_rule rule = {
		.profile = profile,
		.binary = CLO_QEMU_BINARY,
		.filters = FILTERS_MIN - profile->deny_list,
		.groups = &group,
		.n_groups = kvm != NULL,
	};
	int r;

	r = clo_confinement_read(proc, pid, CLO_QEMU_BINARY, &confinement);
	if (r == 0)
		r = clo_confinement_check(confinement, &rule, findings);
	if (r == -ENOMEM)
		return r;

	*ret_process = CLO_TAKE(confinement);
	return 0;
}
