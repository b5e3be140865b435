package demo

import (
	"slices"
	"strings"
)

// compareLimit bounds the table of a comparison, in cells. Texts beyond it have
// nothing in common as far as merging goes; no template comes near it.
const compareLimit = 4_000_000

// mergeLines carries the step from base to theirs over to ours, line by line.
// ok is false when both sides changed the same place.
func mergeLines(base, ours, theirs string) (merged string, ok bool) {
	switch {
	case ours == base || ours == theirs:
		return theirs, true
	case theirs == base:
		return ours, true
	}
	b, o, t := strings.SplitAfter(base, "\n"), strings.SplitAfter(ours, "\n"), strings.SplitAfter(theirs, "\n")
	inOurs, inTheirs := matches(b, o), matches(b, t)
	var out strings.Builder
	i, j, k := 0, 0, 0 // next line of base, ours, theirs
	for {
		// The next line of base that both sides kept ends this stretch.
		n := i
		for n < len(b) && (inOurs[n] < 0 || inTheirs[n] < 0) {
			n++
		}
		endOurs, endTheirs := len(o), len(t)
		if n < len(b) {
			endOurs, endTheirs = inOurs[n], inTheirs[n]
		}
		stretch, agreed := settle(join(b[i:n]), join(o[j:endOurs]), join(t[k:endTheirs]))
		if !agreed {
			return "", false
		}
		out.WriteString(stretch)
		if n == len(b) {
			return out.String(), true
		}
		out.WriteString(b[n])
		i, j, k = n+1, endOurs+1, endTheirs+1
	}
}

func join(lines []string) string { return strings.Join(lines, "") }

// settle merges one stretch: whoever changed it wins, unless both did.
func settle(base, ours, theirs string) (string, bool) {
	switch {
	case ours == theirs, theirs == base:
		return ours, true
	case ours == base:
		return theirs, true
	}
	return "", false
}

// matches gives for each line of a its partner in b, or -1: a longest common
// subsequence.
func matches(a, b []string) []int {
	if len(a)*len(b) > compareLimit {
		return slices.Repeat([]int{-1}, len(a))
	}
	table := make([][]int, len(a)+1)
	for i := range table {
		table[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				table[i][j] = table[i+1][j+1] + 1
			} else {
				table[i][j] = max(table[i+1][j], table[i][j+1])
			}
		}
	}
	partner := make([]int, len(a))
	for i, j := 0, 0; i < len(a); i++ {
		partner[i] = -1
		for j < len(b) && a[i] != b[j] && table[i][j+1] >= table[i+1][j] {
			j++
		}
		if j < len(b) && a[i] == b[j] {
			partner[i] = j
			j++
		}
	}
	return partner
}
