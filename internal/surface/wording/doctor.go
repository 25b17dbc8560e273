package wording

// doctorText are the words around the findings of doctor.
var doctorText = map[string]text{
	"doctor_sure":       {"Severity {severity}; {confidence:percent} sure.", "Gravité\u00a0: {severity}\u00a0; sûr à {confidence:percent}."},
	"doctor_evidence":   {"Evidence", "Indices"},
	"doctor_cause":      {"Cause", "Cause"},
	"doctor_cure":       {"Cure", "Remède"},
	"doctor_or":         {"or without ctkeeper, until the next boot:", "ou sans ctkeeper, jusqu’au prochain démarrage\u00a0:"},
	"doctor_also":       {"Worth knowing", "Bon à savoir"},
	"doctor_missing":    {"Not read", "Non lu"},
	"severity_ok":       {"ok", "bon"},
	"severity_warning":  {"warning", "avertissement"},
	"severity_critical": {"critical", "critique"},
	"severity_unknown":  {"unknown", "inconnue"},
}
