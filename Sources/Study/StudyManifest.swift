import Report

/// `study.json`: what was asked for, and of every run what became of it and how to replay it.
package enum StudyManifest {
  package static func render(_ study: StudyRuns) -> String {
    let plan = study.plan
    let axes = plan.axes.map { axis in
      JSONValue.object([
        ("key", .string(axis.key)), ("path", .string(axis.path)),
        ("values", .array(axis.values.map { .string($0) })),
      ])
    }
    return JSONValue.object([
      ("schema", .string("kmemu.study/1")), ("scenario", .string(plan.scenario)),
      ("axes", .array(axes)), ("repeats", .integer(plan.repeats)),
      ("main_operation", .string(study.operationTitle(study.mainOperation))),
      ("runs", .array(study.runs.map { run($0, plan) })),
    ]).text()
  }

  private static func run(_ run: StudyRun, _ plan: StudyPlan) -> JSONValue {
    let point = plan.points[run.point]
    let parameters = zip(plan.axes, point.values).map {
      (name: $0.key, value: JSONValue.string($1))
    }
    var members: [(name: String, value: JSONValue)] = [
      ("parameters", .object(parameters)), ("repeat", .integer(run.number)),
    ]
    if let key = run.key {
      members.append(("seed", .unsigned(run.seed)))
      let command = ["kmemu"] + plan.arguments(at: point, seed: run.seed)
      members.append(("command", .string(command.map(quoted).joined(separator: " "))))
      if run.figures != nil { members.append(("result", .string("results/\(key.text).json"))) }
    }
    switch run.outcome {
    case .pending: members.append(("status", .string("not run")))
    case .finished: members.append(("status", .string("ok")))
    case .failed(let message, let status):
      members.append(("status", .string("failed")))
      members.append(("exit_status", .integer(Int(status))))
      members.append(("message", .string(message)))
    }
    return .object(members)
  }

  /// As a shell takes it for one word.
  private static func quoted(_ word: String) -> String {
    let plain = word.allSatisfy { $0.isLetter || $0.isNumber || "-_./=,:%+@".contains($0) }
    guard !plain || word.isEmpty else { return word }
    return "'"
      + word.split(separator: "'", omittingEmptySubsequences: false)
      .joined(separator: "'\\''") + "'"
  }
}
