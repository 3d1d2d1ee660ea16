import Dispatch
import Synchronization

/// Runs what is pending, several at a time, each on a thread of its own.
///
/// Runs share nothing and every result has its own place, so neither their number at a time nor the
/// order in which they end shows in any output.
package enum StudyPool {
  /// What became of a run's program.
  package enum Answer: Sendable {
    /// The bytes of its result.
    case result([UInt8])
    case failed(message: String, status: Int32)
    case interrupted
  }

  /// - Parameters:
  ///   - jobs: how many run at a time.
  ///   - execute: runs one to its end; called on many threads at once.
  ///   - save: stores a result before it counts as finished.
  ///   - shouldStop: true ends the study with what is finished.
  ///   - note: told after each run how many of the pending ones are over.
  package static func run(
    _ study: inout StudyRuns, jobs: Int,
    execute: @escaping @Sendable (StudyRun) -> Answer,
    save: @escaping @Sendable ([UInt8], StudyKey) -> StudyRun.Outcome,
    shouldStop: @escaping @Sendable () -> Bool = { false },
    note: @escaping @Sendable (Int) -> Void = { _ in }
  ) {
    let all = study.runs
    // Two points may come to the same run, such as two names of one release: it runs once.
    var first: [StudyKey: Int] = [:]
    let places = all.indices.filter { index in
      guard all[index].outcome == .pending, let key = all[index].key else { return false }
      if first[key] != nil { return false }
      first[key] = index
      return true
    }
    let next = Mutex(0)
    let outcomes = Mutex<[Int: StudyRun.Outcome]>([:])
    let group = DispatchGroup()
    for _ in 0..<min(max(jobs, 1), max(places.count, 1)) {
      DispatchQueue(label: "study").async(group: group) {
        while !shouldStop() {
          let turn = next.withLock { turn in
            defer { turn += 1 }
            return turn
          }
          guard turn < places.count, let key = all[places[turn]].key else { return }
          let outcome: StudyRun.Outcome =
            switch execute(all[places[turn]]) {
            case .result(let bytes): save(bytes, key)
            case .failed(let message, let status): .failed(message: message, status: status)
            case .interrupted: .pending
            }
          let over = outcomes.withLock { outcomes in
            outcomes[places[turn]] = outcome
            return outcomes.count
          }
          note(over)
        }
      }
    }
    group.wait()
    let found = outcomes.withLock { $0 }
    for index in all.indices where all[index].outcome == .pending {
      guard let key = all[index].key, let place = first[key] else { continue }
      study.runs[index].outcome = found[place] ?? .pending
    }
  }
}
