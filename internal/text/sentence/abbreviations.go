package sentence

import "strings"

func set(words string) map[string]bool {
	found := map[string]bool{}
	for word := range strings.FieldsSeq(words) {
		found[word] = true
	}
	return found
}

// The lists are in lower case, without the last full stop. They hold abbreviations that occur in full sentences; those
// that models write without a stop need no entry.
var (
	// titles come before a name.
	titles = set(`mr mrs ms mx dr prof ste mt ft messrs mmes mme mlle rev fr hon gov sen rep pres gen adm cmdr col maj capt lt sgt cpl pvt
		hr dipl ing sra srta dra dña dn гг проф им ул`)
	// numbered come before a number; "No." is also an answer.
	numbered = set(`no nr nos nrs vol vols p pp pg fig figs ch chap sec art abb ed eq ref tel ext op bd`)
	// neverLast are never the last word of a sentence.
	neverLast = set(`vs viz cf e.g i.e eg ie approx ca resp al bzw z.b d.h u.a z.t sog bspw ggf inkl incl excl p.ej т.е т.к напр см`)
	// maybeLast end a sentence if the next word is one with which sentences begin.
	maybeLast = set(`etc inc ltd co corp bros plc llc jr sr esq ph.d st ave blvd rd dept univ assn usw cía`)
	// months come before the day.
	months = set(`jan feb mar apr jun jul aug sep sept oct nov dec`)
	// germanMonths come after an ordinal number.
	germanMonths = set(`januar jänner februar märz april mai juni juli august september oktober november dezember`)
	// starters begin sentences, and are not names.
	starters = set(`the a an this that these those there here he she it we they i you my our your his her its their one
		and but so or nor yet for if when while where why how who what which whose as at in on by to from of with without
		after before since until because although though then now today yesterday tomorrow later soon finally first second
		next also however therefore meanwhile perhaps maybe yes no not nothing nobody everyone everybody all both each every some
		many most few several another any let please well oh ah okay is are was were do does did have has had can could will
		would should may might must don once again still even just only such than thus hence indeed instead otherwise
		der die das ein eine er sie es wir ich ihr und aber le la les un une il elle nous vous je et mais el los las ella yo y pero`)
)
