%% @private
%% @doc Copies of options of level `otp', which nobody but the lane's helper changes: reading one of them is a look into a
%% table. The helper is asked when there is no copy. A copy is made of each answer to such a question, and dropped with the
%% answer to a call that may have changed it; the lane does both before it passes the answer on, in the order in which the helper
%% carried the calls out. So a copy is what the helper would answer, and it is there no longer than the socket.
%%
%% The helper is to log all calls when they are debugged: once that was asked for there are no copies any more.
-module(gosocket_setting).

-export([new/0,
         get/1,
         set/1,
         answered/4,
         closed/2,
         debugged/1,
         no_copies/1]).

-include("gosocket.hrl").
-include("gosocket_near.hrl").

-export_type([table/0, position/0]).

%% Rows `{Socket, Value, ...}', by the helper's number of the socket.
-type table() :: ets:table().
-opaque position() :: 2..10.

-define(UNKNOWN, '$unknown').
-define(NEW_ROW(Socket), {Socket, ?UNKNOWN, ?UNKNOWN, ?UNKNOWN, ?UNKNOWN, ?UNKNOWN, ?UNKNOWN, ?UNKNOWN, ?UNKNOWN, ?UNKNOWN}).

%% Larger answers are not worth a copy, in bytes.
-define(LARGE, (64 bsl 10)).

-include("gosocket_reload.hrl").

%% @doc For the runs of a lane.
-spec new() -> table().
new() ->
    ets:new(gosocket_setting, [public, {read_concurrency, true}]).

%% @doc `getopt(Socket, otp, Key)'.
-spec get(gosocket_wait:call()) -> {ok, term()} | {error, term()}.
get(Call) ->
    case position(element(4, Call)) of
        none ->
            gosocket_wait:call(plain, [], Call);
        Position ->
            case copy(element(2, Call), Position) of
                {ok, Value} -> {ok, Value};
                none -> gosocket_wait:call({read, Position}, [], Call)
            end
    end.

%% @doc `setopt(Socket, otp, Key, Value)'. Those of other nodes are set in the same way at home.
-spec set(gosocket_wait:call()) -> ok | {error, term()}.
set(Call) ->
    _ = element(5, Call) =:= debug andalso element(6, Call) =:= true andalso debugged(element(2, Call)),
    case position(element(5, Call)) of
        none -> gosocket_wait:call(plain, [], Call);
        Position -> gosocket_wait:call({set, Position}, [], Call)
    end.

%% Where an option stands in a row.
-spec position(Key :: term()) -> position() | none.
position(meta) -> 2;
position(rcvbuf) -> 3;
position(controlling_process) -> 4;
position(fd) -> 5;
position(rcvctrlbuf) -> 6;
position(sndctrlbuf) -> 7;
position(use_registry) -> 8;
position(domain) -> 9;
position(iow) -> 10;
position(_) -> none.

%% Only those of this node have copies here. Of a later run of the lane, whose pid is another, the number may mean another socket: so it
%% is looked at last whose copy that was.
-spec copy(gosocket_handle:handle(), position()) -> {ok, term()} | none.
copy(Handle, Position) ->
    case gosocket_near:find_handle(Handle) of
        #near{door = Door, target = {Pid, Socket}, known = #gosocket_lane{words = Words, settings = Table}} ->
            case atomics:get(Words, ?NO_COPIES_WORD) of
                0 -> current(look(Table, Socket, Position), Door, Pid);
                _ -> none
            end;
        none ->
            none
    end.

-spec current(Copy, Door :: atom(), Lane :: pid()) -> Copy | none when Copy :: {ok, term()} | none.
current(Copy, Door, Lane) ->
    case persistent_term:get(Door, none) of
        Lane -> Copy;
        _ -> none
    end.

-spec look(table(), non_neg_integer(), position()) -> {ok, term()} | none.
look(Table, Socket, Position) ->
    try ets:lookup_element(Table, Socket, Position) of
        ?UNKNOWN -> none;
        Value -> {ok, Value}
    catch
        error:badarg -> none
    end.

%% @doc Called by the lane: the helper has answered a call that reads or sets the option.
-spec answered(read | set, position(), {Socket :: non_neg_integer(), Frame :: binary()}, table()) -> ok.
answered(read, Position, {Socket, <<?ANSWER(_), ?OK_HEAD, _/binary>> = Frame}, Table) when byte_size(Frame) < ?LARGE ->
    {_Id, {ok, Value}} = binary_to_term(Frame),
    true = ets:insert_new(Table, ?NEW_ROW(Socket)) orelse true,
    true = ets:update_element(Table, Socket, {Position, Value}),
    ok;
answered(set, Position, {Socket, _Frame}, Table) ->
    _ = ets:update_element(Table, Socket, {Position, ?UNKNOWN}),
    ok;
answered(_, _, _, _) ->
    ok.

%% @doc Called by the lane.
-spec closed(Socket :: non_neg_integer(), table()) -> ok.
closed(Socket, Table) ->
    true = ets:delete(Table, Socket),
    ok.

%% @doc The option `debug' of the socket is about to be set.
-spec debugged(gosocket_handle:handle()) -> ok.
debugged(Handle) ->
    case gosocket_handle:find(Handle) of
        {_Pid, _Loading, Lane, _Socket} -> no_copies(Lane);
        _ -> ok
    end.

%% @doc From now on the helper sees all calls.
-spec no_copies(#gosocket_lane{}) -> ok.
no_copies(#gosocket_lane{words = Words}) ->
    atomics:put(Words, ?NO_COPIES_WORD, 1).
