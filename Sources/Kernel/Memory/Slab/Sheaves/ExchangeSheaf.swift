import Hardware
import Simulation

/// Gets a sheaf from a node's barn, or leaves one there, or both.
///
/// A look without the lock comes first where a sheaf is wanted: it may be wrong, as in the kernel,
/// and costs a shared line instead of the lock.
/// Kernel: `barn_get_empty_sheaf()`, `barn_put_empty_sheaf()`, `barn_put_full_sheaf()`,
/// `barn_get_full_or_empty_sheaf()`, `barn_replace_empty_sheaf()`, `barn_replace_full_sheaf()`
/// (mm/slub.c, 7.0).
package enum ExchangeSheaf: Path {
  package enum Wish: UInt8, BitwiseCopyable {
    case getEmpty, getFullOrEmpty, putEmpty, putFull
    /// A full one for an empty one, and the other way round.
    case replaceEmpty, replaceFull
  }
  package struct Request: BitwiseCopyable {
    /// What is left there; `none` where none is.
    var sheaf: ID<Sheaf>
    var cache: UInt16
    var node: NodeID
    var wish: Wish

    @inline(__always)
    init(_ wish: Wish, _ sheaf: ID<Sheaf>, _ cache: CacheID, _ node: NodeID) {
      (self.wish, self.sheaf, self.node) = (wish, sheaf, node)
      self.cache = UInt16(truncatingIfNeeded: cache.index)
    }
  }
  /// What is answered where no sheaf is. Kernel: `ERR_PTR(-ENOMEM)`, `ERR_PTR(-E2BIG)`.
  static let nothing = -1
  static let tooManyFull = -2

  case start(Request)
  case looked(Request)
  case locked(Request)
  case edited(Request, ID<Sheaf>)
  case unlocked(ID<Sheaf>)

  /// The call. It answers with a sheaf's number, or `nothing`, or `tooManyFull`.
  @inline(__always)
  static func call(
    _ wish: Wish, _ sheaf: ID<Sheaf>, _ cache: CacheID, _ node: NodeID
  ) -> Step {
    .call(.exchangeSheaf(.start(Request(wish, sheaf, cache, node))))
  }

  package static var name: PathName { .node_barn }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let request):
      if request.wish == .putEmpty || request.wish == .putFull { return lock(request, &world) }
      return ask(
        .read(world.locks.locks.items[world.barnLock(request)].line), then: .looked(request))
    case .looked(let request):
      let barn = world.slab.sheaves.barns[world.barnPlace(request)]
      switch request.wish {
      case .getEmpty where barn.emptyCount == 0: return .return(.number(ExchangeSheaf.nothing))
      case .getFullOrEmpty where barn.emptyCount == 0 && barn.fullCount == 0:
        return .return(.number(ExchangeSheaf.nothing))
      case .replaceEmpty where barn.fullCount == 0:
        return .return(.number(ExchangeSheaf.nothing))
      case .replaceFull where barn.fullCount >= Barn.fullMax:
        return .return(.number(ExchangeSheaf.tooManyFull))
      case .replaceFull where barn.emptyCount == 0:
        return .return(.number(ExchangeSheaf.nothing))
      default: return lock(request, &world)
      }
    case .locked(let request):
      return ask(.work(.slubListEdit), then: .edited(request, exchange(request, &world)))
    case .edited(let request, let sheaf):
      return ask(.release(world.barnLock(request), irqs: .off), then: .unlocked(sheaf))
    case .unlocked(let sheaf):
      return .return(.number(sheaf.isNone ? ExchangeSheaf.nothing : sheaf.index))
    }
  }

  private mutating func lock(_ request: Request, _ world: inout World) -> Step {
    ask(.acquire(world.barnLock(request), irqs: .off), then: .locked(request))
  }

  private func exchange(_ request: Request, _ world: inout World) -> ID<Sheaf> {
    let barn = world.barnPlace(request)
    switch request.wish {
    case .getEmpty: return world.slab.sheaves.takeEmpty(from: barn)
    case .getFullOrEmpty:
      let full = world.slab.sheaves.takeFull(from: barn)
      return full.isNone ? world.slab.sheaves.takeEmpty(from: barn) : full
    case .putEmpty: world.slab.sheaves.putEmpty(request.sheaf, in: barn)
    case .putFull: world.slab.sheaves.putFull(request.sheaf, in: barn)
    case .replaceEmpty:
      let full = world.slab.sheaves.takeFull(from: barn)
      if !full.isNone { world.slab.sheaves.putEmpty(request.sheaf, in: barn) }
      return full
    case .replaceFull:
      let empty = world.slab.sheaves.takeEmpty(from: barn)
      if !empty.isNone { world.slab.sheaves.putFull(request.sheaf, in: barn) }
      return empty
    }
    return .none
  }
}

extension World {
  @inline(__always)
  fileprivate func barnPlace(_ request: ExchangeSheaf.Request) -> Int {
    slab.node(CacheID(Int(request.cache)), request.node)
  }
  @inline(__always)
  fileprivate func barnLock(_ request: ExchangeSheaf.Request) -> LockID {
    slab.sheaves.barns[barnPlace(request)].lock
  }
}
