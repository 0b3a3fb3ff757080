/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/share.h"

#include <errno.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/attest/store.h"
#include "agent/core/control.h"

int clo_share_log(const char *state_dir, const char *log)
{
	const struct group *group = getgrnam(CLO_GATEWAY_USER);

	if (!group)
		return 0;
	if (lchown(state_dir, (uid_t)-1, group->gr_gid) < 0 ||
	    chmod(state_dir, 0710) < 0)
		return -errno;
	return clo_store_share(log, group->gr_gid);
}
