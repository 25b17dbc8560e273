package wording

// doctorText are the words around the findings of doctor.
var doctorText = []sentence{
	{"doctor_sure", "Severity {severity}; {confidence:percent} sure.", "Gravité\u00a0: {severity}\u00a0; sûr à {confidence:percent}."},
	{"doctor_head", "{severity}: {title} ({code})", "{severity}\u00a0: {title} ({code})"},
	{"doctor_above", "what is said above for the same", "ce qui est dit plus haut pour la même chose"},
	{"doctor_table", "{name}: {count:count} flows, max {max}", "{name}\u00a0: {count:count} flux, maximum {max}"},
	{"doctor_table_share", "{name}: {count:count} of {max:count} flows ({occupancy:percent})", "{name}\u00a0: {count:count} flux sur {max:count} ({occupancy:percent})"},
	{"doctor_table_pressure", "{name}: {count:count} of {max:count} flows ({occupancy:percent}), pressure {pressure:percent}", "{name}\u00a0: {count:count} flux sur {max:count} ({occupancy:percent}), pression {pressure:percent}"},
	{"doctor_tables_more", "and {more:count} more", "et {more:count} autres"},
	{"doctor_evidence", "Evidence", "Indices"},
	{"doctor_cause", "Cause", "Cause"},
	{"doctor_cure", "Cure", "Remède"},
	{"doctor_or", "or without ctkeeper, until the next boot:", "ou sans ctkeeper, jusqu’au prochain démarrage\u00a0:"},
	{"doctor_also", "Worth knowing", "Bon à savoir"},
	{"doctor_missing", "Not read", "Non lu"},
	{"severity_ok", "ok", "bon"},
	{"severity_warning", "warning", "avertissement"},
	{"severity_critical", "critical", "critique"},
	{"severity_unknown", "unknown", "inconnue"},
}
