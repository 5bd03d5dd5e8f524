%% @private
%% @doc Arguments of the API's functions as the protocol's calls carry them.
-module(gosocket_arg).

-export([until/1,
         relative/1,
         absolute/1,
         select_ref/1,
         read_class/1,
         sendmsg/5,
         give_to_dead/1]).

%% A deadline is nanoseconds in 64 bits; who waits longer than a hundred years waits for ever.
-define(LONGEST, 100 * 365 * 24 * 60 * 60 * 1000).

%% IOV_MAX of Linux.
-define(IOV_MAX, 1024).

%% Time spent in queues counts: a call carries the moment when its time is up.
-spec until(timeout() | nowait) -> infinity | nowait | 0 | {at, Nanoseconds :: integer()}.
until(0) -> 0;
until(Timeout) when is_atom(Timeout); Timeout > ?LONGEST -> never(Timeout);
until(Timeout) -> {at, os:perf_counter(nanosecond) + Timeout * 1000000}.

-spec never(timeout() | nowait) -> infinity | nowait.
never(nowait) -> nowait;
never(_) -> infinity.

%% @doc The call for another node, whose clock is another: with the nanoseconds that are left.
-spec relative(gosocket_wait:call()) -> gosocket_wait:call().
relative(Call) ->
    case deadline(Call) of
        {Place, {at, Deadline}} -> setelement(Place, Call, {in, Deadline - os:perf_counter(nanosecond)});
        _ -> Call
    end.

%% @doc The call as it is here.
-spec absolute(gosocket_wait:call()) -> gosocket_wait:call().
absolute(Call) ->
    case deadline(Call) of
        {Place, {in, Left}} -> setelement(Place, Call, {at, os:perf_counter(nanosecond) + Left});
        _ -> Call
    end.

-spec deadline(gosocket_wait:call()) -> {Place :: pos_integer(), Value :: term()} | none.
deadline({accept, _, _, Until, _}) -> {4, Until};
deadline({connect, _, _, _, Until, _}) -> {5, Until};
deadline({recv, _, _, _, _, Until, _}) -> {6, Until};
deadline({recvfrom, _, _, _, _, Until, _}) -> {6, Until};
deadline({recvmsg, _, _, _, _, _, Until, _}) -> {7, Until};
deadline({send, _, _, _, Until, _, _}) -> {5, Until};
deadline({sendto, _, _, _, _, Until, _, _}) -> {6, Until};
deadline({sendmsg, _, _, _, _, _, Until, _, _}) -> {7, Until};
deadline(_) -> none.

%% Names a select; made here because the process may hear of it before the call returns.
-spec select_ref(timeout() | nowait) -> reference() | [].
select_ref(nowait) -> make_ref();
select_ref(_) -> [].

%% What is left of a message is cut from the iovec.
-spec sendmsg(reference(), map(), erlang:iovec(), gosocket:send_flags(), timeout() | nowait) -> term().
sendmsg(_S, _MsgHdr, Iovec, _Flags, _Timeout) when length(Iovec) > ?IOV_MAX ->
    {error, emsgsize};
sendmsg(S, MsgHdr, Iovec, Flags, Timeout) ->
    Payload = iolist_to_binary(Iovec),
    Ref = select_ref(Timeout),
    gosocket_wait:send(Ref, {sendmsg, S, self(), maps:get(addr, MsgHdr, undefined),
                             maps:get(ctrl, MsgHdr, []), Flags, until(Timeout), Ref, byte_size(Payload)},
                       Payload, Iovec).

%% The helper knows of deaths only afterwards.
-spec give_to_dead({ok, pid()} | {error, Reason}) -> {error, einval | not_owner | Reason}.
give_to_dead({ok, Owner}) when Owner =:= self() -> {error, einval};
give_to_dead({ok, _}) -> {error, not_owner};
give_to_dead({error, Reason}) -> {error, Reason}.

%% What was only looked at, or is no data of the stream, is not put back when its reader is dead.
-spec read_class(gosocket:recv_flags()) -> read | peek.
read_class([]) ->
    read;
read_class(Flags) ->
    case [Flag || Flag <- [peek, oob, errqueue], is_member(Flag, Flags)] of
        [] -> read;
        _ -> peek
    end.

%% The helper is to complain about an improper list.
-spec is_member(gosocket:recv_flag(), maybe_improper_list()) -> boolean().
is_member(Flag, [Flag | _]) -> true;
is_member(Flag, [_ | Flags]) -> is_member(Flag, Flags);
is_member(_, _) -> false.
