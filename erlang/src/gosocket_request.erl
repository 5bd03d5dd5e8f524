%% @private
%% @doc Calls as the helper reads them. Those of every day are written by hand, and short: a request of up to 64
%% bytes lives on the heaps of caller and lane, a longer one is a binary that both have to count references of.
-module(gosocket_request).

-export([call/3,
         send/4]).

%% Improper on purpose: a binary as the tail saves a cell.
-dialyzer({no_improper_lists, [send/4]}).

-define(INT32_MAX, 16#7fffffff).

%% Parts of the external term format: docs/protocol.md shows them at work.
-define(CALL(Arity, Name), 104, Arity, 119, 4, Name).
-define(INT(N), 98, N:32).
-define(NIL, 106).
-define(INFINITY, 119, 8, "infinity").

%% Where a process keeps its number in that format.
-define(KEY, '$gosocket_process').

-include("gosocket_reload.hrl").

%% @doc The call with the helper's number of the socket in the place of its handle.
-spec call(Clock :: shared | apart, Socket :: non_neg_integer(), gosocket_wait:call()) -> gosocket_term:item().
call(_Clock, Socket, {recv, _, _, Length, [], infinity, []}) when Length =< ?INT32_MAX, Socket =< ?INT32_MAX ->
    Process = process(),
    <<?CALL(7, "recv"), ?INT(Socket), Process/binary, ?INT(Length), ?NIL, ?INFINITY, ?NIL>>;
call(Clock, Socket, Call) ->
    gosocket_term:item(gosocket_clock:for_lane(Clock, Socket, Call)).

%% @doc A call with the first bytes of its payload.
-spec send(Clock :: shared | apart, Socket :: non_neg_integer(), gosocket_wait:call(), Payload :: binary()) -> gosocket_term:item().
send(_Clock, Socket, {send, _, _, [], infinity, [], Size}, Payload) when Size =< ?INT32_MAX, Socket =< ?INT32_MAX ->
    Process = process(),
    [<<?CALL(8, "send"), ?INT(Socket), Process/binary, ?NIL, ?INFINITY, ?NIL, ?INT(Size), 109, (byte_size(Payload)):32>> | Payload];
send(Clock, Socket, Call, Payload) ->
    gosocket_term:item(gosocket_clock:for_lane(Clock, Socket, Call), Payload).

%% The calling process: the integer that stands for its pid (`process' in docs/protocol.md). A process has it written
%% down once; what somebody copied from another process is not taken.
-spec process() -> binary().
process() ->
    Self = self(),
    case get(?KEY) of
        {Self, Process} -> Process;
        _ -> process(Self)
    end.

-spec process(pid()) -> binary().
process(Self) ->
    Pid = term_to_binary(Self),
    <<_Node:(byte_size(Pid) - 12)/binary, Numbers:64, _Creation:32>> = Pid,
    Process = gosocket_term:item(Numbers),
    put(?KEY, {Self, Process}),
    Process.
