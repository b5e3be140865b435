package db

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestRewriteParameters(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"SELECT $1, $2, $10, $1": "SELECT ?1, ?2, ?10, ?1",
		"($1)+$2||$3":            "(?1)+?2||?3",
		"$1":                     "?1",
		"'$1'":                   "'$1'",
		"'it''s $1' $1":          "'it''s $1' ?1",
		`"col$1" "a""$1" $1`:     `"col$1" "a""$1" ?1`,
		"a -- $1\n$1":            "a -- $1\n?1",
		"a -- '\n$1 '$1'":        "a -- '\n?1 '$1'",
		"a /* $1 ' */ $1":        "a /* $1 ' */ ?1",
		"a - $1 / $2 * $3":       "a - ?1 / ?2 * ?3",
		"name$1 é$1 _$1 9$1":     "name$1 é$1 _$1 9$1",
		"$ $a $1a $":             "$ $a $1a $",
		"'open $1":               "'open $1",
		"/* open $1":             "/* open $1",
		"-- open $1":             "-- open $1",
		"":                       "",
		"WHERE id=$1AND x":       "WHERE id=$1AND x",
		"INSERT INTO t VALUES ($1,$2),('$3',$3)\n": "INSERT INTO t VALUES (?1,?2),('$3',?3)\n",
	}
	for query, want := range tests {
		if got := rewriteParameters(query); got != want {
			t.Errorf("%q\n got %q\nwant %q", query, got, want)
		}
		if got := rewrite(query); got != want {
			t.Errorf("cached %q: got %q", query, got)
		}
	}
}

// Statements are built from pieces whose rewriting is known, so the whole is.
func TestRewriteOfAnyStatement(t *testing.T) {
	t.Parallel()
	inside := rapid.StringMatching(`[ $0-9a-z?*/\-"é]{0,12}`)
	piece := rapid.Custom(func(t *rapid.T) [2]string {
		text := inside.Draw(t, "text")
		switch rapid.IntRange(0, 5).Draw(t, "kind") {
		case 0:
			n := rapid.StringMatching(`[1-9][0-9]{0,2}`).Draw(t, "number")
			return [2]string{"$" + n, "?" + n}
		case 1:
			literal := "'" + strings.ReplaceAll(text, "?", "''") + "'"
			return [2]string{literal, literal}
		case 2:
			name := `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
			return [2]string{name, name}
		case 3:
			comment := "--" + text + "'\n"
			return [2]string{comment, comment}
		case 4:
			comment := "/*" + strings.ReplaceAll(text, "*/", "'") + "*/"
			return [2]string{comment, comment}
		default:
			word := rapid.StringMatching(`[a-zé_][a-z0-9_$]{0,5}|[(),.=<>+|]`).Draw(t, "word")
			return [2]string{word, word}
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		var query, want strings.Builder
		for _, p := range rapid.SliceOf(piece).Draw(t, "pieces") {
			query.WriteString(p[0] + " ")
			want.WriteString(p[1] + " ")
		}
		if got := rewriteParameters(query.String()); got != want.String() {
			t.Fatalf("%q\n got %q\nwant %q", query.String(), got, want.String())
		}
	})
}

func FuzzRewriteParameters(f *testing.F) {
	for _, seed := range []string{"SELECT $1", "'$1' /* $2 */ -- $3\n$4", `"$1`, "a$1$2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		got := rewriteParameters(query)
		if len(got) != len(query) {
			t.Fatalf("%q became %q", query, got)
		}
		for i := range len(query) {
			if got[i] != query[i] && (query[i] != '$' || got[i] != '?' || i+1 == len(query) || !isDigit(query[i+1])) {
				t.Fatalf("%q became %q at byte %d", query, got, i)
			}
		}
	})
}

func TestTheRewriteCacheIsBounded(t *testing.T) {
	before := rewrittenCount.Load()
	for i := range 2 * rewrittenLimit {
		rewrite("SELECT $1 -- " + strings.Repeat("x", i%97) + string(rune('a'+i%26)) + strings.Repeat("y", i/97))
	}
	if after := rewrittenCount.Load(); after > rewrittenLimit || after == before {
		t.Errorf("%d statements cached, were %d; want at most %d and more", after, before, rewrittenLimit)
	}
}
