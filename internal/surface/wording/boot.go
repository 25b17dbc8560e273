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

	"boot_module_built_in": {"nf_conntrack is built into the kernel: its keys exist before any file is read.", "nf_conntrack est intégré au noyau : ses clés existent avant toute lecture de fichier."},
	"boot_module_early":    {"nf_conntrack is loaded before sysctl files are read ({by}).", "nf_conntrack est chargé avant la lecture des fichiers sysctl ({by})."},
	"boot_module_late": {"Nothing loads nf_conntrack before sysctl files are read: a firewall loads it later, and the files' values are lost.",
		"Rien ne charge nf_conntrack avant la lecture des fichiers sysctl : un pare-feu le charge plus tard, et les valeurs des fichiers sont perdues."},
	"boot_module_unknown": {"How nf_conntrack comes up here is not known; this supposes that its keys exist when the files are read.",
		"On ne sait pas comment nf_conntrack arrive ici ; on suppose que ses clés existent à la lecture des fichiers."},
	"boot_module_udev":  {"A udev rule sets the values again when the module appears ({rule}).", "Une règle udev remet les valeurs quand le module apparaît ({rule})."},
	"boot_head_setting": {"SETTING", "RÉGLAGE"},
	"boot_head_running": {"NOW", "EN COURS"},
	"boot_head_decides": {"DECIDED BY", "DÉCIDÉ PAR"},

	"boot_source_default":          {"kernel default", "défaut du noyau"},
	"boot_source_hashsize":         {"hashsize at load, {at}", "hashsize au chargement, {at}"},
	"boot_source_module_parameter": {"module parameter, {at}", "paramètre du module, {at}"},
	"boot_source_cmdline":          {"kernel command line", "ligne de commande du noyau"},
	"boot_source_file":             {"{at}", "{at}"},

	"boot_seen_overridden":  {"{at}: {key} = {value} is overridden under {loader}", "{at} : {key} = {value} est remplacé avec {loader}"},
	"boot_seen_same":        {"{at}: {key} = {value} says the same under {loader}", "{at} : {key} = {value} dit la même chose avec {loader}"},
	"boot_seen_excluded":    {"{at}: {key} = {value} is taken out by a later line under {loader}", "{at} : {key} = {value} est exclu par une ligne plus loin avec {loader}"},
	"boot_seen_no_such_key": {"{at}: this kernel has no {key}", "{at} : ce noyau n'a pas {key}"},
	"boot_seen_refused":     {"{at}: the kernel refuses “{value}” for {key}", "{at} : le noyau refuse « {value} » pour {key}"},
	"boot_seen_empty":       {"{at}: {key} is given no value", "{at} : {key} ne reçoit aucune valeur"},
	"boot_seen_read_only":   {"{at}: {key} is read-only", "{at} : {key} est en lecture seule"},
	"boot_seen_too_early":   {"{at}: {key} = {value} comes before the module and is lost under {loader}", "{at} : {key} = {value} précède le module et se perd avec {loader}"},
	"boot_seen_unread":      {"{at}: {key} = {value} is not read by {loader}", "{at} : {key} = {value} n'est pas lu par {loader}"},

	"boot_writer":     {"{program} sets {setting} later to {value}: {where}", "{program} met plus tard {setting} à {value} : {where}"},
	"boot_writer_at":  {"{program} sets {setting} later to {value} ({at}): {where}", "{program} met plus tard {setting} à {value} ({at}) : {where}"},
	"boot_writer_all": {"{program}: {where}", "{program} : {where}"},
}
