/// Codes of scenario errors. They never change their meaning; `kmemu explain CODE` says more.
package enum ErrorCode: String, CaseIterable, Sendable {
  case missing = "S101"
  case notText = "S102"
  case tooLarge = "S103"
  case unknownFlag = "S104"
  case syntax = "S105"
  case duplicateKey = "S106"
  case anchor = "S107"
  case tooDeep = "S108"
  case unknownKey = "S109"
  case missingKey = "S110"
  case wrongKind = "S111"
  case unit = "S112"
  case range = "S113"
  case unknownName = "S114"
  case notYet = "S115"
  case unknownStep = "S116"
  case cpus = "S117"
  case machine = "S118"
  case kernel = "S119"
  case costs = "S120"
  case include = "S121"
  case override = "S122"
  case expectation = "S123"
  case unknownResult = "S124"
  case unbalanced = "S125"
  case misplaced = "S126"
  case endless = "S127"
  case nameTwice = "S128"
  case version = "S129"
  case limit = "S130"
  case unknownScenario = "S131"
  case parameter = "S132"

  /// The long answer: when the error comes and what the rule behind it is.
  package var explanation: String {
    switch self {
    case .missing:
      "A scenario is a file or the name of a bundled one (`kmemu list scenarios`). The path does "
        + "not exist, is a directory, or may not be read."
    case .notText: "A scenario is YAML in UTF-8 without control characters."
    case .tooLarge: "A scenario file has at most \(ScenarioLimits.fileBytesMax >> 10) KiB."
    case .unknownFlag:
      "GFP flags carry the kernel's names: GFP_KERNEL, GFP_ATOMIC, __GFP_ZERO. Several are joined "
        + "with |, as in C. In hardirq, softirq and under a spinlock only GFP_ATOMIC and "
        + "GFP_NOWAIT keep the kernel's rules."
    case .syntax:
      "The file is not well-formed YAML. Common causes: tabs for indentation, a missing space "
        + "after a colon, a bracket that stays open, a text with a colon that needs quotes."
    case .duplicateKey: "A key stands twice in one mapping; YAML does not say which one counts."
    case .anchor:
      "YAML's anchors (&), aliases (*), merge keys (<<) and tags (!) are refused: what a file says "
        + "should stand where it is read. Use `params:` with $name, `include:`, and --set."
    case .tooDeep: "Lists and mappings nest at most \(ScenarioLimits.depthMax) levels deep."
    case .unknownKey: "A key that this mapping does not have. docs/SCENARIOS.md lists all."
    case .missingKey: "A key that this mapping cannot do without."
    case .wrongKind: "Another kind of value is needed here: a text, a list or a mapping."
    case .unit:
      "Units are compulsory and stand right behind the number. Sizes: B KiB MiB GiB TiB (1024) "
        + "kB MB GB TB (1000) p (pages). Times: ps ns us ms s, cyc (cycles). Rates: /s k/s M/s "
        + "G/s. Frequencies: Hz kHz MHz GHz. Shares: %."
    case .range: "The value is too small, too large, or no whole number of the smallest unit."
    case .unknownName: "An object, pool, lock, cache or thread that nothing in the scenario names."
    case .notYet:
      "The language knows the word and this version of kmemu does not do it yet. It is refused "
        + "rather than left out: a run without it would say something else than you asked."
    case .unknownStep:
      "Steps are the kernel's functions by their own names (kmalloc, vfree) and a few words of "
        + "kmemu's: work sleep touch lock unlock pick when choose repeat hand_over raise count."
    case .cpus:
      "`on:` says which CPUs: all, first, last, others, \"0-3,8\", node:1, package:0, first-node, "
        + "last-node, first-cpu-of-each-node, {share: 25%}, {node: 0, count: 4}. CPUs are numbered "
        + "from 0 in the order of the machine's OS numbers."
    case .machine: "The machine cannot be had; the message carries the topology's own code."
    case .kernel: "A kernel release that this version of kmemu does not emulate."
    case .costs: "A cost file that does not exist or has a wrong line."
    case .include:
      "Included files are merged in order, later ones and the file itself win; they may not "
        + "include one another in a circle."
    case .override:
      "--set PATH=VALUE sets any key of the scenario: machine.cpus=4, run.duration=2ms, "
        + "params.size=64B, threads.NAME.on=all."
    case .expectation:
      "An expectation is one comparison of arithmetic over result names, numbers and units: "
        + "latency.kmalloc.p99 < 2us; slub.alloc_fastpath / slub.alloc > 0.5; violations == 0. "
        + "Both sides must have the same unit."
    case .unknownResult: "A name that no result of this scenario can have."
    case .unbalanced:
      "Every list of steps gives up the locks it took and enables what it disabled, and gives up "
        + "nothing else: what is held can be seen by reading one list."
    case .misplaced: "A step or key that has no meaning in this place."
    case .endless:
      "A scenario with a loop or with interrupts goes on for ever: `run:` needs a duration or a "
        + "number of operations."
    case .nameTwice: "Threads, interrupts, caches, locks and pools each have names of their own."
    case .version: "The first key of a scenario is `scenario: 1`, the version of the language."
    case .limit: "A named limit of kmemu; the message says which."
    case .unknownScenario: "No file and no bundled scenario has this name."
    case .parameter:
      "`params:` gives values to names; $name stands for one anywhere in a value. `--set "
        + "params.name=value` changes it for a run."
    }
  }
}
