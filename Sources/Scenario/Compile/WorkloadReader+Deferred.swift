import Kernel

/// Reads `work:`, `timers:` and `tasklets:`: named handlers that steps put off.
extension WorkloadReader {
  static let sections = ["work", "timers", "tasklets"]

  /// Makes the names known, before any step is read.
  func declareDeferred(_ tree: Tree) {
    for section in Self.sections {
      guard let part = tree[section], !part.isNothing else { continue }
      guard let map = part.map else {
        findings.add(
          .wrongKind, "`\(section):` needs a mapping and has \(part.kindName)", at: part.span,
          label: "as in `{flush: {do: [work: 1us]}}`")
        continue
      }
      for entry in map {
        let key = Tree(kind: .text(entry.key), span: entry.keySpan)
        guard reading.name(key, "a handler") != nil else { continue }
        guard builder.program.deferred.count < ScenarioLimits.deferredMax else {
          findings.add(
            .limit, "more than \(ScenarioLimits.deferredMax) work items, timers and tasklets",
            at: entry.keySpan)
          return
        }
        if builder.program.deferred.contains(where: { $0.name == entry.key }) {
          findings.add(
            .nameTwice, "another work item, timer or tasklet is called `\(entry.key)`",
            at: entry.keySpan)
        }
        let isHi = entry.value["hi"].flatMap { reading.bool($0, "`hi`") } == true
        let kind: Program.Deferred.Kind =
          switch section {
          case "work": .work
          case "timers": .timer
          default: isHi ? .hiTasklet : .tasklet
          }
        builder.program.deferred.append(Program.Deferred(name: entry.key, kind: kind))
      }
    }
  }

  /// Reads their handlers, after `declareDeferred`.
  mutating func readDeferred(_ tree: Tree) {
    for section in Self.sections {
      for entry in tree[section]?.map ?? [] {
        let known = section == "tasklets" ? Words.deferred : ["do"]
        guard
          let place = builder.program.deferred.firstIndex(where: { $0.name == entry.key }),
          let fields = reading.fields(
            entry.value, "`\(entry.key)`", known: known, required: ["do"]),
          let steps = fields["do"]
        else { continue }
        let body = Body(builder, role: section == "work" ? .work : .softirq, name: entry.key)
        let start = body.here
        body.findObjects(in: steps)
        body.steps(steps, "`do`")
        let end = Int32(body.here)
        body.finishTurn(.end, turnEnd: end)
        builder.program.deferred[place].entry = start
        builder.program.deferred[place].slotCount = body.slotCount
        if body.putsOff { isEndless = true }
      }
    }
  }
}
