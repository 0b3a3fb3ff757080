/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <netinet/in.h>

#include "agent/core/kind.h"

/* Short words for the tables of kind_*.c, and for nothing else. */

#define NEVER CLO_KIND_NEVER
#define JUDGED CLO_KIND_JUDGED
#define ASKED CLO_KIND_ASKED
#define PASS CLO_DROP_NONE
#define DROP(reason) CLO_DROP_##reason
/* The same whoever sends it. */
#define EACH(reason)                                                           \
	{                                                                      \
		reason, reason, reason                                         \
	}
#define FROM(reason)                                                           \
	{                                                                      \
		reason, NEVER, NEVER                                           \
	}
#define ONLY_TO(reason)                                                        \
	{                                                                      \
		NEVER, reason, NEVER                                           \
	}
#define TAP(from, to)                                                          \
	{                                                                      \
		from, to, NEVER                                                \
	}
