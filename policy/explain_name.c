/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/explain_name.h"

#include <stdio.h>

const char *clo_name_identity(const struct clo_compiled *compiled,
			      uint32_t identity, char buffer[CLO_NAME_MAX])
{
	if (identity > 0 && identity < compiled->tables->gen.identities)
		return compiled->identities[identity].name;

	(void)snprintf(buffer, CLO_NAME_MAX, "identity %u", identity);
	return buffer;
}

const char *clo_name_class(const struct clo_compiled *compiled, uint32_t class,
			   char buffer[CLO_NAME_MAX])
{
	if (class < compiled->tables->gen.classes)
		return compiled->classes[class].name;

	(void)snprintf(buffer, CLO_NAME_MAX, "class %u", class);
	return buffer;
}

const char *clo_name_rule(const struct clo_compiled *compiled, uint32_t rule)
{
	if (rule == 0 || rule >= compiled->tables->gen.rules)
		return NULL;
	return compiled->rules[rule]->full;
}
