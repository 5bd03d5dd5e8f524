%% @private
%% @doc What a `socket()' is: `{'$socket', Reference}', the reference being an `atomics' array.
%%
%% A handle finds its lane without a table, is collected with its last holder, is never used again,
%% and answers `gosocket:info/1' from its own words once the socket is gone.
-module(gosocket_handle).

-include("gosocket.hrl").

-export([new/3,
         find/1,
         place/1,
         number/1,
         close/3,
         kind/1,
         final_info/1]).

-export_type([handle/0, home/0, place/0, found/0]).

%% Words of the array. The two that every call reads stay below 2^59: no big integers on its way.
-define(HOME, 1).                               % check value, lane number, incarnation
-define(SOCKET, 2).                             % the helper's number
-define(DOMAIN, 3).
-define(TYPE, 4).
-define(PROTOCOL, 5).
-define(CTYPE, 6).
-define(OWNER, 7).                              % only of a socket that its owner's death closed
-define(COUNTERS, 8).                           % the first of many
-define(WORDS, (?COUNTERS + length(?COUNTER_NAMES) - 1)).

%% What tells a handle from any other array of atomics.
-define(CHECK_VALUE, 16#50c4).
-define(LANE_BITS, 8).
-define(INCARNATION_BITS, 32).

-define(COUNTER_NAMES,
        [read_byte, read_fails, read_pkg, read_pkg_max, read_tries, read_waits,
         write_byte, write_fails, write_pkg, write_pkg_max, write_tries, write_waits,
         acc_success, acc_fails, acc_tries, acc_waits]).

%% A reference, as every array of atomics.
-type handle() :: atomics:atomics_ref().

-type home() :: {LaneNumber :: non_neg_integer(), Incarnation :: pos_integer()}.

%% The same as one integer, with the check value.
-opaque place() :: non_neg_integer().

-type found() :: {Lane :: pid(), none | gosocket_reload:loading(), #gosocket_lane{}, Socket :: non_neg_integer()}.

%% The integers of `{ok, {Socket, Domain, Type, Protocol, CType}}': AF_*, SOCK_*, IPPROTO_*.
-type kind() :: {non_neg_integer(), non_neg_integer(), non_neg_integer(), non_neg_integer()}.

%% On the way of each call.
-compile({inline, [home/1, number/1, is_of/2, found/4]}).

-include("gosocket_reload.hrl").

-spec new(home(), Socket :: non_neg_integer(), kind()) -> handle().
new({Lane, Incarnation}, Socket, {Domain, Type, Protocol, CType}) ->
    Handle = atomics:new(?WORDS, [{signed, false}]),
    atomics:put(Handle, ?SOCKET, Socket),
    atomics:put(Handle, ?DOMAIN, Domain),
    atomics:put(Handle, ?TYPE, Type),
    atomics:put(Handle, ?PROTOCOL, Protocol),
    atomics:put(Handle, ?CTYPE, CType),
    <<Home:64>> = <<?CHECK_VALUE:(64 - ?LANE_BITS - ?INCARNATION_BITS), Lane:?LANE_BITS,
                    Incarnation:?INCARNATION_BITS>>,
    atomics:put(Handle, ?HOME, Home),
    Handle.

%% @doc The running lane and the socket's number there. A closed socket of a running lane is found
%% as well: the helper checks the arguments before it says closed. A reference of another node is for
%% that node to judge. Any other reference is a badarg.
-spec find(handle()) -> found() | closed | {remote, node()}.
find(Handle) when node(Handle) =/= node() ->
    {remote, node(Handle)};
find(Handle) ->
    Home = home(Handle),
    case persistent_term:get(?LANE(number(Home)), none) of
        Pid when is_pid(Pid) -> found(Handle, Home, Pid, none);
        {loading, Pid, Loading} -> found(Handle, Home, Pid, Loading);
        none -> closed
    end.

%% Which run that is the words tell that were set before the pid.
-spec found(handle(), place(), pid(), none | gosocket_reload:loading()) -> found() | closed.
found(Handle, Home, Pid, Loading) ->
    Lane = persistent_term:get(?KNOWN(number(Home))),
    case is_of(Home, Lane) of
        true -> {Pid, Loading, Lane, atomics:get(Handle, ?SOCKET)};
        false -> closed
    end.

-spec is_of(place(), #gosocket_lane{}) -> boolean().
is_of(Home, #gosocket_lane{words = Words}) ->
    atomics:get(Words, ?INCARNATION_WORD) =:= Home band (1 bsl ?INCARNATION_BITS - 1).

%% @doc Its lane and the run of that, and the socket's number there: they never change.
-spec place(handle()) -> {place(), Socket :: non_neg_integer()} | {remote, node()}.
place(Handle) when node(Handle) =/= node() ->
    {remote, node(Handle)};
place(Handle) ->
    {home(Handle), atomics:get(Handle, ?SOCKET)}.

%% @doc The number of its lane.
-spec number(place()) -> non_neg_integer().
number(Home) ->
    (Home bsr ?INCARNATION_BITS) band (1 bsl ?LANE_BITS - 1).

-spec home(handle()) -> place().
home(Handle) ->
    Home = atomics:get(Handle, ?HOME),
    Home bsr (?LANE_BITS + ?INCARNATION_BITS) =:= ?CHECK_VALUE orelse erlang:error(badarg),
    Home.

%% @doc Writes down what outlives the socket.
-spec close(handle(), Owner :: pid() | undefined, Counters :: tuple()) -> ok.
close(Handle, Owner, Counters) ->
    lists:foldl(fun(Count, Word) -> atomics:put(Handle, Word, Count), Word + 1 end,
                ?COUNTERS, tuple_to_list(Counters)),
    atomics:put(Handle, ?OWNER, pack(Owner)).

%% @doc Domain, type and protocol as the man page names them.
-spec kind(handle()) -> {Domain, Type, Protocol} when
      Domain :: gosocket:domain() | integer(),
      Type :: gosocket:type() | integer(),
      Protocol :: gosocket:protocol() | integer().
kind(Handle) ->
    Domain = domain(atomics:get(Handle, ?DOMAIN)),
    {Domain,
     type(atomics:get(Handle, ?TYPE)),
     protocol(Domain, atomics:get(Handle, ?PROTOCOL))}.

%% @doc The answer of `gosocket:info/1' when there is nobody left to ask. The words of another node's
%% handle are there: nothing is known then.
-spec final_info(handle()) -> map().
final_info(Handle) when node(Handle) =/= node() ->
    info({0, 0, 0}, undefined, 0, fun(_Word) -> 0 end);
final_info(Handle) ->
    info(kind(Handle), unpack(atomics:get(Handle, ?OWNER)), atomics:get(Handle, ?CTYPE),
         fun(Word) -> atomics:get(Handle, Word) end).

-spec info({term(), term(), term()}, pid() | undefined, CType :: non_neg_integer(), Count) -> map() when
      Count :: fun((Word :: pos_integer()) -> non_neg_integer()).
info({Domain, Type, Protocol}, Owner, CType, Count) ->
    #{domain => Domain,
      type => Type,
      protocol => Protocol,
      ctrl => Owner,
      ctype => ctype(CType),
      counters => maps:from_list([{Name, Count(Word)}
                                  || {Name, Word} <- lists:zip(?COUNTER_NAMES, lists:seq(?COUNTERS, ?WORDS))]),
      num_readers => 0,
      num_writers => 0,
      num_acceptors => 0,
      readable => false,
      writable => false}.

%% Linux numbers; what the API has no name for stays a number.

-spec domain(non_neg_integer()) -> gosocket:domain() | integer().
domain(1) -> local;
domain(2) -> inet;
domain(10) -> inet6;
domain(17) -> packet;
domain(Number) -> Number.

-spec type(non_neg_integer()) -> gosocket:type() | integer().
type(1) -> stream;
type(2) -> dgram;
type(3) -> raw;
type(4) -> rdm;
type(5) -> seqpacket;
type(Number) -> Number.

%% That of a packet socket is an EtherType.
-spec protocol(gosocket:domain() | integer(), non_neg_integer()) -> gosocket:protocol() | integer().
protocol(packet, EtherType) -> EtherType;
protocol(_, 0) -> ip;
protocol(_, 6) -> tcp;
protocol(_, 17) -> udp;
protocol(_, 132) -> sctp;
protocol(_, Number) -> Number.

-spec ctype(non_neg_integer()) -> normal | fromfd | {fromfd, integer()}.
ctype(0) -> normal;
ctype(1) -> fromfd;
ctype(Number) -> {fromfd, Number - 2}.

%% A pid of this node is two 32 bit numbers in the external format (NEW_PID_EXT: node, ID, serial,
%% creation); 0 means nobody. A pid of another node has no room here.

-spec pack(pid() | undefined) -> non_neg_integer().
pack(Pid) when node(Pid) =:= node() ->
    {_Head, <<Id:64>>, _Creation} = split(Pid),
    Id + 1;
pack(_) ->
    0.

-spec unpack(non_neg_integer()) -> pid() | undefined.
unpack(0) ->
    undefined;
unpack(Word) ->
    {Head, _Id, Creation} = split(self()),
    binary_to_term(<<Head/binary, (Word - 1):64, Creation/binary>>).

-spec split(pid()) -> {Head :: binary(), Id :: binary(), Creation :: binary()}.
split(Pid) ->
    Bin = term_to_binary(Pid),
    Size = byte_size(Bin) - 12,
    <<Head:Size/binary, Id:8/binary, Creation:4/binary>> = Bin,
    {Head, Id, Creation}.
