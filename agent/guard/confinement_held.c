/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "agent/base/path.h"
#include "agent/guard/confinement_impl.h"
#include "agent/guard/uses.h"

#define CONTROL "sbx.guest-confinement"
#define DEVICES "sbx.device-surface"

/* Character devices that QEMU has under the profile: major, minors, name. */
static const struct device {
	unsigned int major;
	unsigned int first, last;
	unsigned int needs; /* of enum clo_device */
} devices[] = {
	{1, 3, 3, 0}, /* null */
	{1, 5, 5, 0}, /* zero */
	{1, 8, 9, 0}, /* random, urandom */
	{5, 2, 2, 0}, /* ptmx */
	{10, 200, 200, 0}, /* net/tun */
	{10, 232, 232, 0}, /* kvm */
	{136, 0, 1048575, 0}, /* pts */
	{10, 196, 196, CLO_DEVICE_PASSTHROUGH}, /* vfio/vfio */
};

static void free_numbers(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

static int take_entry(const char *name, size_t max, struct clo_listing *listing)
{
	char *end;
	long number;

	if (name[0] < '0' || name[0] > '9')
		return 0;
	errno = 0;
	number = strtol(name, &end, 10);
	if (*end || errno != 0 || number > INT32_MAX)
		return -EBADMSG;
	if (listing->n == max)
		listing->cut = true;
	else
		listing->numbers[listing->n++] = (int)number;
	return 0;
}

int clo_listing_new(int dirfd, const char *name, size_t max,
		    struct clo_listing **ret_listing)
{
	CLO_AUTO(clo_listing) struct clo_listing *listing = NULL;
	__attribute__((cleanup(free_numbers))) DIR *dir = NULL;
	CLO_AUTO_FD int fd =
		openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *entry;

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir)
		return -errno;
	(void)clo_take_fd(&fd);
	listing = calloc(1, sizeof(*listing) + max * sizeof(int));
	if (!listing)
		return -ENOMEM;
	while (!listing->cut && (errno = 0, entry = readdir(dir))) {
		int r = take_entry(entry->d_name, max, listing);

		if (r < 0)
			return r;
	}
	if (!listing->cut && errno != 0)
		return -errno;

	*ret_listing = CLO_TAKE(listing);
	return 0;
}

void clo_listing_free(struct clo_listing *listing)
{
	free(listing);
}

int clo_link_read(int dirfd, const char *name, char **ret_text)
{
	CLO_AUTO_MEM char *text = malloc(PATH_MAX);
	ssize_t len;

	if (!text)
		return -ENOMEM;
	len = readlinkat(dirfd, name, text, PATH_MAX);
	if (len < 0)
		return -errno;
	if (len == PATH_MAX)
		return -ENAMETOOLONG;
	text[len] = '\0';

	*ret_text = CLO_TAKE(text);
	return 0;
}

/* A socket's own name says nothing: the kernel names its protocol. */
static int name_socket(int dirfd, const char *name, char **ret_text)
{
	char path[64];
	char protocol[32] = "";

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dirfd, name);
	if (getxattr(path, "system.sockprotoname", protocol,
		     sizeof(protocol) - 1) < 0)
		(void)strcpy(protocol, "unknown");
	*ret_text = strdup(protocol);
	return *ret_text ? 0 : -ENOMEM;
}

/* "flags:\t0100002", octal. */
static bool is_writable(int dirfd, int number)
{
	char text[128];
	char path[32];
	CLO_AUTO_FD int fd = -1;
	const char *at;
	ssize_t len;

	(void)snprintf(path, sizeof(path), "fdinfo/%d", number);
	fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (len < 0)
		return true; /* not known: the worse */
	text[len] = '\0';
	at = strstr(text, "flags:");
	return !at || (strtoul(at + 6, NULL, 8) & O_ACCMODE) != O_RDONLY;
}

/* 0 also for one that was closed meanwhile. */
static int read_one(int dirfd, int number, struct clo_confinement *confinement)
{
	struct clo_held held = {.fd = number};
	char name[32];
	struct stat st;
	int r;

	(void)snprintf(name, sizeof(name), "fd/%d", number);
	if (fstatat(dirfd, name, &st, 0) < 0)
		return 0;
	held.type = st.st_mode & S_IFMT;
	held.dev = st.st_dev;
	held.rdev = st.st_rdev;
	held.ino = st.st_ino;
	held.uid = st.st_uid;
	held.writable = is_writable(dirfd, number);
	r = S_ISSOCK(st.st_mode) ? name_socket(dirfd, name, &held.what)
				 : clo_link_read(dirfd, name, &held.what);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	confinement->held[confinement->n_held++] = held;
	return 0;
}

int clo_held_read(int dirfd, struct clo_confinement *confinement)
{
	CLO_AUTO(clo_listing) struct clo_listing *listing = NULL;
	int r;

	r = clo_listing_new(dirfd, "fd", CLO_CONFINEMENT_HELD_MAX, &listing);
	if (!listing)
		return r;
	confinement->held = calloc(listing->n + 1, sizeof(struct clo_held));
	if (!confinement->held)
		return -ENOMEM;
	for (size_t i = 0; i < listing->n && r == 0; i++)
		r = read_one(dirfd, listing->numbers[i], confinement);
	return r == 0 && listing->cut ? -EFBIG : r;
}

/* By its place or by its owner: a file may have been moved. */
static const struct clo_profile *
owner_of(const struct clo_held *held, const struct clo_confinement_rule *rule)
{
	for (size_t i = 0; i < rule->n_others; i++) {
		const struct clo_profile *other = rule->others[i];

		if (strcmp(other->workload, rule->profile->workload) != 0 &&
		    (clo_path_is_below(held->what, other->directory) ||
		     (held->uid == other->uid &&
		      other->uid != rule->profile->uid)))
			return other;
	}
	return NULL;
}

static bool is_base(const char *path, const struct clo_profile *profile)
{
	for (size_t i = 0; i < profile->n_bases; i++)
		if (clo_path_is_below(path, profile->bases[i]))
			return true;
	return false;
}

/* What libvirt opens and hands over: its note of the pid, and the log if no
 * virtlogd keeps it. */
static bool is_libvirts(const char *path, const struct clo_profile *profile)
{
	static const char *const places[][2] = {
		{"/run/libvirt/qemu/", ".pid"},
		{"/var/log/libvirt/qemu/", ".log"},
	};
	size_t len = profile->name ? strlen(profile->name) : 0;

	for (size_t i = 0; len && i < CLO_ARRAY_LEN(places); i++) {
		size_t n = strlen(places[i][0]);

		if (strncmp(path, places[i][0], n) == 0 &&
		    strncmp(path + n, profile->name, len) == 0 &&
		    strcmp(path + n + len, places[i][1]) == 0)
			return true;
	}
	return false;
}

/* Memory with a name that no path leads to; never one of a file system. */
static bool is_anonymous(const struct clo_held *held)
{
	return held->type == 0 || strncmp(held->what, "/memfd:", 7) == 0;
}

static void check_file(const struct clo_held *held,
		       const struct clo_confinement_rule *rule,
		       const char *where, struct clo_tell *tell)
{
	const struct clo_profile *profile = rule->profile;
	const struct clo_profile *other = owner_of(held, rule);

	if (other)
		clo_tell(tell,
			 clo_uses_control(profile->workload, other->workload),
			 where, "has %s of %s open%s (descriptor %d)",
			 held->what, other->workload,
			 held->writable ? " and can write it" : "", held->fd);
	else if (S_ISBLK(held->type) && held->uid != profile->uid)
		clo_tell(tell, DEVICES, where,
			 "has the block device %s open, which is not its own "
			 "(descriptor %d)",
			 held->what, held->fd);
	else if (!clo_path_is_below(held->what, profile->directory) &&
		 held->uid != profile->uid && held->writable &&
		 !is_libvirts(held->what, profile))
		clo_tell(tell, CONTROL, where,
			 "has %s%s open and can write it (descriptor %d)",
			 is_base(held->what, profile) ? "the base " : "",
			 held->what, held->fd);
}

static void check_device(const struct clo_held *held,
			 const struct clo_profile *profile, const char *where,
			 struct clo_tell *tell)
{
	for (size_t i = 0; i < CLO_ARRAY_LEN(devices); i++)
		if (major(held->rdev) == devices[i].major &&
		    minor(held->rdev) >= devices[i].first &&
		    minor(held->rdev) <= devices[i].last &&
		    (profile->devices & devices[i].needs) == devices[i].needs)
			return;
	/* groups have numbers of their own */
	if (profile->devices & CLO_DEVICE_PASSTHROUGH &&
	    strncmp(held->what, "/dev/vfio/", 10) == 0)
		return;
	clo_tell(tell, DEVICES, where,
		 "has the device %s open, which is not in the profile "
		 "(descriptor %d)",
		 held->what, held->fd);
}

/* A guest's display may listen to the network; nothing else of it may. */
static void check_socket(const struct clo_held *held,
			 const struct clo_profile *profile, const char *where,
			 struct clo_tell *tell)
{
	bool display = profile->devices & CLO_DEVICE_VIDEO;

	if (strncmp(held->what, "UNIX", 4) == 0 ||
	    (display && strncmp(held->what, "TCP", 3) == 0))
		return;
	clo_tell(tell, CONTROL, where,
		 "has a socket of protocol %s open (descriptor %d)", held->what,
		 held->fd);
}

void clo_held_check(const struct clo_confinement *confinement,
		    const struct clo_confinement_rule *rule, const char *where,
		    struct clo_tell *tell)
{
	for (size_t i = 0; i < confinement->n_held; i++) {
		const struct clo_held *held = &confinement->held[i];

		if (is_anonymous(held) || S_ISFIFO(held->type))
			continue;
		if (S_ISSOCK(held->type))
			check_socket(held, rule->profile, where, tell);
		else if (S_ISCHR(held->type))
			check_device(held, rule->profile, where, tell);
		else
			check_file(held, rule, where, tell);
	}
}
