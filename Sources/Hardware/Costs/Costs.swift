import Simulation

/// Every nanosecond of an emulated machine: one value, read from a cost file.
///
/// Relations that any machine obeys are checked when a file is loaded (`CostFile.relations`).
public struct Costs: Sendable {
  /// The name of the file: `generic-x86`.
  public let name: String
  let work: [Duration]
  let primitives: [Duration]

  init(name: String, work: [Duration], primitives: [Duration]) {
    (self.name, self.work, self.primitives) = (name, work, primitives)
  }

  public subscript(kind: Work) -> Duration { work[Int(kind.rawValue)] }
  public subscript(kind: Primitive) -> Duration { primitives[Int(kind.rawValue)] }

  /// The same costs, one of their prices times `factor`: for calibration.
  public func scaling(_ kind: Work, by factor: Double) -> Costs {
    var work = work
    let price = Double(work[Int(kind.rawValue)].picoseconds) * factor
    work[Int(kind.rawValue)] = Duration(picoseconds: UInt64(price.rounded()))
    return Costs(name: name, work: work, primitives: primitives)
  }

  /// The same costs with another price of a primitive: for calibration.
  public func setting(_ kind: Primitive, to price: Duration) -> Costs {
    var primitives = primitives
    primitives[Int(kind.rawValue)] = price
    return Costs(name: name, work: work, primitives: primitives)
  }

  /// The work's prices as the engine keeps them: indexed by `Work.rawValue`.
  public func workTable() -> Buffer<Duration> {
    var table = Buffer<Duration>(work.count, .zero)
    for index in 0..<work.count { table[index] = work[index] }
    return table
  }
}

/// Why a cost file was refused.
public struct CostError: Error, Equatable, Sendable {
  /// Counted from 1; 0 where it concerns the whole file.
  public let line: Int
  public let message: String
}
