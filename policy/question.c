/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/question.h"

#include <string.h>

#include "policy/question_impl.h"

const struct clo_question clo_questions[] = {
	{"reach", clo_answer_reach},
	{"isolated", clo_answer_isolated},
	{"rules", clo_answer_rules},
};
const size_t clo_questions_count = CLO_ARRAY_LEN(clo_questions);

const struct clo_question *clo_question_find(const char *name)
{
	for (size_t i = 0; i < CLO_ARRAY_LEN(clo_questions); i++)
		if (strcmp(clo_questions[i].name, name) == 0)
			return &clo_questions[i];
	return NULL;
}
