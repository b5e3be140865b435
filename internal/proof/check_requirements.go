package proof

import (
	"context"
	"fmt"
	"strings"

	"github.com/layercake-app/layercake/internal/document"
)

// checkRequirements reads the PRD and the stories: every feature needs a story,
// every story a feature that exists, and at least one criterion; numbers are
// unique.
func checkRequirements(_ context.Context, w *work) (outcome, error) {
	w.command = "read " + prdPath + " and " + storiesPath
	var texts [2][]byte
	for i, name := range []string{prdPath, storiesPath} {
		text, err := w.tree.read(name)
		if err != nil {
			return fail("%s cannot be read; write it", name), nil
		}
		texts[i] = text
	}
	features, wrong := document.Features(texts[0])
	problems := sentences(prdPath, wrong)
	stories, wrong := document.Stories(texts[1])
	problems = append(problems, sentences(storiesPath, wrong)...)
	known, used := map[string]bool{}, map[string]bool{}
	for _, f := range features {
		known[f.ID] = true
	}
	criteria := 0
	for _, s := range stories {
		used[s.Feature] = true
		criteria += len(s.Criteria)
		if s.Feature != "" && !known[s.Feature] {
			problems = append(problems, fmt.Sprintf("%s line %d: %s belongs to %s, which %s does not have", storiesPath, s.Line, s.ID, s.Feature, prdPath))
		}
	}
	for _, f := range features {
		if !used[f.ID] {
			problems = append(problems, fmt.Sprintf("%s line %d: no story belongs to %s; write one, or take the feature out", prdPath, f.Line, f.ID))
		}
	}
	w.figure("features", float64(len(features)))
	w.figure("stories", float64(len(stories)))
	w.figure("criteria", float64(criteria))
	for _, f := range features {
		w.log.say("%s %s", f.ID, f.Title)
	}
	for _, s := range stories {
		w.log.say("%s %s (%s): %d criteria", s.ID, s.Title, s.Feature, len(s.Criteria))
	}
	w.figure("findings", float64(len(problems)))
	if len(problems) > 0 {
		w.log.say("%s", strings.Join(problems, "\n"))
		return fail("%s", list(problems)), nil
	}
	return pass("%d feature(s), %d stories, %d acceptance criteria", len(features), len(stories), criteria), nil
}
