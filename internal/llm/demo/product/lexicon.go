package product

import (
	_ "embed"
	"fmt"
	"strings"
	"sync"

	"gopkg.in/yaml.v3"
)

//go:embed lexicon.yaml
var lexiconYAML []byte

//go:embed locale.yaml
var localeYAML []byte

// langs are the languages of the interface, in the order of every list of four.
var langs = []string{"en", "de", "fr", "es"}

func langIndex(lang string) int {
	for i, l := range langs {
		if l == lang {
			return i
		}
	}
	return 0
}

type fieldWord struct {
	Type     string     `yaml:"t"`
	Labels   []string   `yaml:"l"`
	Options  [][]string `yaml:"o"`
	Words    []string   `yaml:"w"`
	Examples []string   `yaml:"ex"`
	Foreign  [][]string `yaml:"ex2"` // the examples in German, French, Spanish
}

type actionWord struct {
	Labels []string `yaml:"l"`
	Field  string   `yaml:"f"`
	Effect string   `yaml:"e"`
	Values []string `yaml:"v"`
}

type thing struct {
	key      string
	En       string     `yaml:"en"`
	De       string     `yaml:"de"`
	Fr       string     `yaml:"fr"`
	Es       string     `yaml:"es"`
	Signs    string     `yaml:"x"`
	Fields   string     `yaml:"f"`
	Actions  string     `yaml:"a"`
	In       string     `yaml:"in"`
	With     string     `yaml:"with"`
	Who      string     `yaml:"who"`
	Examples []string   `yaml:"ex"`
	Foreign  [][]string `yaml:"ex2"`
	names    [4][]name
}

// name is one word for a thing. A weak one is also a verb or an everyday word,
// so that its singular alone says little.
type name struct {
	one, many, lang string
	weak            bool
}

type lexicon struct {
	Fields  map[string]fieldWord  `yaml:"fields"`
	Actions map[string]actionWord `yaml:"actions"`
	Things  map[string]*thing     `yaml:"things"`
	Domains []struct {
		Words  []string `yaml:"w"`
		Things string   `yaml:"t"`
	} `yaml:"domains"`

	order   []string              // keys of Things as written
	nouns   map[string][]noun     // by lower-case phrase
	domains map[string][]string   // by lower-case phrase: keys of things
	fields  [4]map[string]string  // by language and lower-case phrase: key of a field
	labels  map[string][]fieldKey // by label: keys of fields, for examples
}

type fieldKey struct {
	key  string
	word fieldWord
}

// noun is a form of a name of a thing.
type noun struct {
	key    string
	name   name
	plural bool
}

// lex reads the embedded lexicon once. It is part of the program: a mistake in it
// fails the first test.
var lex = sync.OnceValue(func() *lexicon {
	l := &lexicon{nouns: map[string][]noun{}, domains: map[string][]string{}, labels: map[string][]fieldKey{}}
	var doc yaml.Node
	if err := yaml.Unmarshal(lexiconYAML, &doc); err != nil {
		panic(fmt.Sprintf("read embedded lexicon: %v", err))
	}
	if err := doc.Decode(l); err != nil {
		panic(fmt.Sprintf("decode embedded lexicon: %v", err))
	}
	l.order = keys(&doc, "things")
	for _, key := range l.order {
		l.addThing(key)
	}
	for _, d := range l.Domains {
		for _, w := range d.Words {
			l.domains[strings.ToLower(w)] = strings.Fields(d.Things)
		}
	}
	for _, key := range keys(&doc, "fields") {
		l.addField(key)
	}
	return l
})

// keys returns the keys of the mapping under section, in their written order.
func keys(doc *yaml.Node, section string) []string {
	root := doc.Content[0].Content
	var all []string
	for i := 0; i+1 < len(root); i += 2 {
		if root[i].Value == section {
			for j := 0; j+1 < len(root[i+1].Content); j += 2 {
				all = append(all, root[i+1].Content[j].Value)
			}
		}
	}
	return all
}

func (l *lexicon) addThing(key string) {
	t := l.Things[key]
	t.key = key
	for i, list := range []string{t.En, t.De, t.Fr, t.Es} {
		for _, entry := range strings.Split(list, ";") {
			entry, weak := strings.CutPrefix(strings.TrimSpace(entry), "~")
			one, many, ok := strings.Cut(entry, "/")
			if !ok {
				many = plural(one, langs[i])
			}
			n := name{one: one, many: many, lang: langs[i], weak: weak}
			t.names[i] = append(t.names[i], n)
			for _, form := range []string{many, one} {
				low := strings.ToLower(form)
				l.nouns[low] = append(l.nouns[low], noun{key: key, name: n, plural: form == many})
				if many == one {
					break
				}
			}
		}
	}
}

func (l *lexicon) addField(key string) {
	f := l.Fields[key]
	for i, label := range f.Labels {
		l.labels[label] = append(l.labels[label], fieldKey{key, f})
		if key == "name" || key == "title" || key == "student" || key == "homework" {
			continue // everything has one, or the word is a thing of its own
		}
		if l.fields[i] == nil {
			l.fields[i] = map[string]string{}
		}
		for _, w := range append([]string{label}, f.Words...) {
			if _, taken := l.fields[i][strings.ToLower(w)]; !taken {
				l.fields[i][strings.ToLower(w)] = key
			}
		}
	}
}

// locale returns the interface's words in lang.
var locale = func() func(lang string) map[string]string {
	all := sync.OnceValue(func() map[string][]string {
		m := map[string][]string{}
		if err := yaml.Unmarshal(localeYAML, &m); err != nil {
			panic(fmt.Sprintf("read embedded locale: %v", err))
		}
		return m
	})
	return func(lang string) map[string]string {
		out := map[string]string{}
		for key, texts := range all() {
			out[key] = texts[langIndex(lang)]
		}
		return out
	}
}()

// fieldOf makes the field called key in lang.
func (l *lexicon) fieldOf(key, lang string, required bool) Field {
	w, i := l.Fields[key], langIndex(lang)
	f := Field{Label: w.Labels[i], Type: w.Type, Required: required}
	f.Name = slug(f.Label, "_", 40)
	if len(w.Options) > 0 {
		f.Options = w.Options[i]
	}
	return f
}
