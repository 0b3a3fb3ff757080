/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/accounts.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/base/file.h"
#include "agent/guard/tell.h"
#include "agent/guard/users.h"

#define CONTROL "sbx.guest-confinement"
#define FILE_MAX (8U << 20) /* bytes of passwd or group */
#define REMEDY                                                                 \
	"systemctl start cloison-users, or systemd-sysusers " CLO_USERS_DIR    \
	"/" CLO_USERS_FILE

/* What the two files say that concerns one scope. */
struct look {
	const struct clo_profile *profile;
	struct clo_tell tell;
	char name[CLO_USERS_NAME_MAX]; /* its user's */
	char where[CLO_USERS_NAME_MAX + 8];
	bool shared; /* its number is not its own: told */
	bool there; /* the user is */
	uid_t uid;
	gid_t gid;
	bool has_kvm; /* the group is there */
	gid_t kvm;
	bool in_kvm; /* the user is in it */
};

/* The first stranger is enough: bounded whatever the files are. */
static void tell_stranger(struct look *look, const char *kind, const char *name,
			  const char *what)
{
	char where[300];

	if (look->shared)
		return;
	look->shared = true;
	(void)snprintf(where, sizeof(where), "%s %s", kind, name);
	clo_tell(&look->tell, CONTROL, where,
		 "%s %u, which is of workload %s, and so shares its files: "
		 "take it out, or give the environment another uid",
		 what, look->profile->uid, look->profile->workload);
}

static void look_user(struct look *look, const struct passwd *user)
{
	if (strcmp(user->pw_name, look->name) == 0) {
		if (!look->there) { /* the first one counts */
			look->there = true;
			look->uid = user->pw_uid;
			look->gid = user->pw_gid;
		}
		return;
	}
	if (user->pw_uid == look->profile->uid)
		tell_stranger(look, "user", user->pw_name, "has the uid");
	else if (user->pw_gid == look->profile->gid)
		tell_stranger(look, "user", user->pw_name, "has the gid");
}

static void look_group(struct look *look, const struct group *group)
{
	bool own = strcmp(group->gr_name, look->name) == 0;
	bool kvm = strcmp(group->gr_name, CLO_USERS_GROUP) == 0;

	if (group->gr_gid == look->profile->gid && !own)
		tell_stranger(look, "group", group->gr_name, "has the gid");
	if (kvm && !look->has_kvm) {
		look->has_kvm = true;
		look->kvm = group->gr_gid;
	}
	for (char **member = group->gr_mem; *member; member++) {
		bool self = strcmp(*member, look->name) == 0;

		look->in_kvm |= kvm && self;
		if (group->gr_gid == look->profile->gid && !self)
			tell_stranger(look, "user", *member, "is in the group");
	}
}

/* A file of accounts as a stream over `ret_text`, which the caller frees. */
static int open_file(int etc, const char *name, char **ret_text,
		     FILE **ret_stream)
{
	size_t len = 0;
	int r = clo_file_read_at(etc, name, FILE_MAX, ret_text, &len);

	if (r < 0)
		return r;
	*ret_stream = fmemopen(*ret_text, len, "r");
	return *ret_stream ? 0 : -errno;
}

static int read_users(struct look *look, int etc)
{
	CLO_AUTO_MEM char *text = NULL;
	const struct passwd *user;
	FILE *stream;
	int r = open_file(etc, "passwd", &text, &stream);

	if (r < 0)
		return r;
	while ((user = fgetpwent(stream)))
		look_user(look, user);
	(void)fclose(stream);
	return 0;
}

static int read_groups(struct look *look, int etc)
{
	CLO_AUTO_MEM char *text = NULL;
	const struct group *group;
	FILE *stream;
	int r = open_file(etc, "group", &text, &stream);

	if (r < 0)
		return r;
	while ((group = fgetgrent(stream)))
		look_group(look, group);
	(void)fclose(stream);
	return 0;
}

/* Only the group kvm may open the device. */
static bool is_kvms(const struct look *look, int dev)
{
	struct stat st;

	if (fstatat(dev, CLO_USERS_GROUP, &st, 0) < 0)
		return true;
	return look->has_kvm && st.st_gid == look->kvm &&
	       (st.st_mode & 0006) != 0006;
}

/* What libvirt needs to let QEMU open /dev/kvm. */
static void check_user(struct look *look, int dev)
{
	if (!look->there)
		clo_tell(&look->tell, CONTROL, look->where,
			 "is not in /etc/passwd, so that libvirt gives QEMU no "
			 "group kvm: " REMEDY);
	else if (look->uid != look->profile->uid ||
		 look->gid != look->profile->gid)
		clo_tell(&look->tell, CONTROL, look->where,
			 "is %u:%u in /etc/passwd and not %u:%u: remove it, "
			 "then " REMEDY,
			 look->uid, look->gid, look->profile->uid,
			 look->profile->gid);
	else if (!look->in_kvm && is_kvms(look, dev))
		clo_tell(
			&look->tell, CONTROL, look->where,
			"is not in group kvm, which alone may open /dev/kvm: " REMEDY);
}

/* What cannot be read is never good news. */
static int tell_unread(struct look *look, const char *name, int r)
{
	if (r != -ENOMEM)
		clo_tell(&look->tell, CONTROL, name, "cannot be read: %s",
			 strerrordesc_np(-r));
	return r == -ENOMEM ? r : look->tell.r;
}

int clo_accounts_check(const struct clo_accounts *accounts,
		       const struct clo_profile *profile,
		       struct clo_findings *findings)
{
	struct look look = {
		.profile = profile,
		.tell = {.findings = findings},
	};
	int r;

	clo_users_name(profile->uid, look.name);
	(void)snprintf(look.where, sizeof(look.where), "user %s", look.name);
	r = read_users(&look, accounts->etc);
	if (r < 0)
		return tell_unread(&look, "/etc/passwd", r);
	r = read_groups(&look, accounts->etc);
	if (r < 0)
		return tell_unread(&look, "/etc/group", r);
	/* sysusers cannot make the user of a number that another one has */
	if (accounts->kvm && !look.shared)
		check_user(&look, accounts->dev);
	return look.tell.r;
}
