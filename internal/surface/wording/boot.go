package wording

// bootText are the sentences about what the next boot sets.
var bootText = map[string]text{
	"boot_where_kube_proxy": {"change kube-proxy's flag {flag}, or the field {field} of its configuration", "changez l'option {flag} de kube-proxy, ou le champ {field} de sa configuration"},
	"boot_where_tuned":      {"change the tuned profile {file}", "changez le profil tuned {file}"},
	"boot_where_ufw":        {"change {file}, which ufw loads each time it starts", "changez {file}, que ufw charge à chaque démarrage"},
	"boot_where_firewalld": {"a complete reload or a stop of firewalld unloads conntrack and every setting returns to its default; set CleanupModulesOnExit=no in {file}",
		"un rechargement complet ou un arrêt de firewalld décharge conntrack et remet chaque réglage à son défaut ; mettez CleanupModulesOnExit=no dans {file}"},
	"boot_where_script": {"change the script {file}", "changez le script {file}"},
	"persist_drop_in":   {"{file} holds the values and sorts behind every other file", "{file} contient les valeurs et passe après tous les autres fichiers"},
	"persist_modules_load": {"{file} loads conntrack before sysctl files are read; loaded later, it would come up with defaults",
		"{file} charge conntrack avant la lecture des fichiers sysctl ; chargé plus tard, il aurait les valeurs par défaut"},
	"persist_modprobe": {"{file} gives the number of buckets at load: this kernel does not let sysctl set it",
		"{file} donne le nombre de buckets au chargement : ce noyau ne permet pas à sysctl de le régler"},
	"persist_conflict": {"{file} sets the same otherwise: commented out, since {drop_in} now holds it",
		"{file} règle la même chose autrement : mis en commentaire, puisque {drop_in} en décide désormais"},
}
