/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/explain.h"
#include "policy/explain_name.h"
#include "policy/explain_prove.h"
#include "policy/explain_service.h"

static const char *said(bool allowed)
{
	return allowed ? "allowed" : "denied";
}

/* "tcp/443", of the slot or else the class that was judged. */
static const char *service_of(const struct clo_compiled *compiled,
			      const struct clo_contradiction *contradiction,
			      char slot[CLO_SERVICE_TEXT],
			      char name[CLO_NAME_MAX])
{
	if (contradiction->slot >= CLO_SLOTS)
		return clo_name_class(compiled, contradiction->class, name);
	clo_service_text(contradiction->slot, contradiction->slot, slot);
	return slot;
}

/* Through the program on the sender's tap. */
static json_t *replay(const struct clo_proving *proving,
		      const struct clo_contradiction *contradiction,
		      const struct clo_witness *witness,
		      const struct clo_witness_frame *frame)
{
	bool passes = false;

	if (!clo_witness_reaches(proving->compiled->tables, contradiction->pair,
				 frame))
		return json_pack("{s:s, s:n, s:s}", "replay", "unreached",
				 "attached", "reason",
				 "in the sender's space no frame asks for it");
	if (!proving->attached ||
	    proving->attached(proving->userdata, witness->src_endpoint,
			      frame->bytes, frame->len, &passes) < 0)
		return json_pack("{s:s, s:n, s:s}", "replay", "not run",
				 "attached", "reason",
				 "no program is attached to the sender's tap");
	return json_pack("{s:s, s:s, s:s}", "replay",
			 passes == contradiction->allowed ? "reproduces"
							  : "differs",
			 "attached", passes ? "passes" : "drops", "reason",
			 passes ? "the attached program lets the frame through"
				: "the attached program drops the frame");
}

json_t *clo_explain_contradiction(const struct clo_proving *proving,
				  const struct clo_contradiction *contradiction)
{
	const struct clo_compiled *compiled = proving->compiled;
	struct clo_witness witness = {0};
	struct clo_witness_frame frame;
	char packet[CLO_PACKET_TEXT];
	char names[3][CLO_NAME_MAX];
	char slot[CLO_SERVICE_TEXT];
	json_t *told;

	told = json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:n, s:n, s:n, s:n, s:n, s:s, s:s}",
		"from",
		clo_name_identity(compiled, contradiction->pair.src, names[0]),
		"to",
		clo_name_identity(compiled, contradiction->pair.dst, names[1]),
		"service", service_of(compiled, contradiction, slot, names[2]),
		"kernel", said(contradiction->allowed), "policy",
		said(contradiction->expected), "packet", "fields", "hex",
		"scapy", "attached", "replay", "unreached", "reason",
		"no packet can have these two ends");
	if (clo_contradiction_witness(compiled->tables, contradiction,
				      &witness) < 0)
		return told;

	clo_explain_packet(&witness, packet);
	(void)json_object_set_new(told, "packet", json_string(packet));
	(void)json_object_update_new(
		told, clo_explain_frame(compiled->policy, &witness, &frame));
	(void)json_object_update_new(
		told, replay(proving, contradiction, &witness, &frame));
	return told;
}
