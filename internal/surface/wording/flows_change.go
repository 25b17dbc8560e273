package wording

// flowsChangeText are the sentences of flows delete and flows retime.
var flowsChangeText = []sentence{
	{"change_would_delete",
		"{planned:count} of {matched:count} selected flows would be deleted; --yes does it",
		"{planned:count} des {matched:count} flux choisis seraient supprimés ; --yes le fait"},
	{"change_would_retime",
		"{planned:count} of {matched:count} selected flows would get another time; --yes does it",
		"{planned:count} des {matched:count} flux choisis recevraient une autre durée ; --yes le fait"},
	{"change_did_delete",
		"{done:count} flows deleted; {gone:count} were gone already, {refused:count} refused",
		"{done:count} flux supprimés ; {gone:count} avaient déjà disparu, {refused:count} refusés"},
	{"change_did_retime",
		"{done:count} flows retimed; {gone:count} were gone already, {refused:count} refused",
		"{done:count} flux mis à la nouvelle durée ; {gone:count} avaient déjà disparu, {refused:count} refusés"},
	{"change_protected", "{n:count} protected {n:plural|flow stays|flows stay}", "{n:count} flux {n:plural|protégé reste|protégés restent}"},
	{"change_kept", "{n:count} {n:plural|flow needs|flows need} no change", "{n:count} flux {n:plural|n'a|n'ont} besoin d'aucun changement"},
	{"change_reason", "{n:count} refused: {reason}", "{n:count} refusés : {reason}"},
	{"change_inconsistent",
		"the table was resized again and again while it was read: some flows may have been missed; run it again",
		"la table a été redimensionnée sans cesse pendant la lecture : des flux ont pu échapper ; recommencez"},
	{"change_flushed",
		"{n:count} of them by the kernel's own flush, after a proof that this kernel keeps the filter; it tells no number: so much its count fell meanwhile",
		"dont {n:count} par la purge du noyau lui-même, après la preuve que ce noyau respecte le filtre ; il n'en dit pas le nombre : son compte a baissé d'autant"},
	{"change_top_first", "sources of those that went before the flush:", "sources de ceux partis avant la purge :"},
	{"change_progress", "{done:count} done of {matched:count} found", "{done:count} faits sur {matched:count} trouvés"},
}
