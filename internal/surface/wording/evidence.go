package wording

// evidenceText says what is missing when evidence is read.
var evidenceText = []sentence{
	{"log_absent", "no kernel log was found on this host", "aucun journal du noyau n'a été trouvé sur cette machine"},
	{"log_not_read_in_time", "the log is long: only its newest part was read", "le journal est long : seule sa partie la plus récente a été lue"},
}
