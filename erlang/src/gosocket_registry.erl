%% @private
%% @doc Which sockets there are. The lane that made them keeps their handles, and whether each is in the
%% registry; the settings for new ones and for the log of calls are application variables.
-module(gosocket_registry).

-export([open/2,
         open/3,
         use/1,
         debug/1,
         debug/2,
         sockets/0,
         sockets/1,
         info/0]).

%% @doc An open call without its options; anything but a boolean counts as false.
-spec open(Call :: tuple(), Opts :: map()) -> {ok, gosocket:socket()} | {error, term()}.
open(Call, Opts) ->
    case gosocket_names:find(maps:get(lane, Opts, default)) of
        {ok, Lane} -> open(Call, maps:remove(lane, Opts), Lane);
        {error, Reason} -> {error, Reason}
    end.

%% @doc In the lane of this number.
-spec open(Call :: tuple(), Opts :: map(), Lane :: non_neg_integer()) -> {ok, gosocket:socket()} | {error, term()}.
open(Call, Opts, Lane) ->
    Registered = maps:get(use_registry, maps:merge(gosocket_names:own(Lane), Opts), use()) =:= true,
    gosocket_wait:open(open, erlang:append_element(Call, Opts#{use_registry => Registered}), Registered, Lane).

-spec use() -> boolean().
use() ->
    application:get_env(gosocket, use_registry, true).

-spec use(boolean()) -> ok.
use(Use) ->
    application:set_env(gosocket, use_registry, Use).

%% @doc What the helper of that lane is told of that. Who changes it tells the lanes that run; one that starts reads
%% it once it can be told.
-spec debug(Lane :: non_neg_integer()) -> {debug, All :: boolean(), Sockets :: boolean()}.
debug(Lane) ->
    Own = gosocket_names:own(Lane),
    [All, Sockets] = [is_debug(What) orelse maps:get(What, Own, false) =:= true || What <- [debug, socket_debug]],
    _ = (All orelse Sockets) andalso gosocket_setting:no_copies(gosocket_door:known(Lane)),
    {debug, All, Sockets}.

-spec is_debug(debug | socket_debug) -> boolean().
is_debug(What) ->
    application:get_env(gosocket, What, false) =:= true.

-spec debug(debug | socket_debug, boolean()) -> ok.
debug(What, Is) ->
    ok = application:set_env(gosocket, What, Is),
    lists:foreach(fun({_, Number, Pid}) -> Pid ! {tell, debug(Number)} end, gosocket_names:running()).

%% @doc Registered sockets, newest first.
-spec sockets() -> [gosocket:socket()].
sockets() ->
    [{'$socket', Handle} || {Handle, true} <- all()].

-spec sockets(Filter) -> [gosocket:socket()] when
      Filter :: atom() | pid() | fun((gosocket:socket_info()) -> boolean()).
sockets(Filter) ->
    Rule = rule(Filter),
    [Socket || Socket <- sockets(), Rule(gosocket:info(Socket))].

-spec rule(term()) -> fun((gosocket:socket_info()) -> boolean()).
rule(Domain) when Domain =:= inet; Domain =:= inet6 -> is(domain, Domain);
rule(Type) when Type =:= stream; Type =:= dgram; Type =:= seqpacket -> is(type, Type);
rule(Protocol) when Protocol =:= tcp; Protocol =:= udp; Protocol =:= sctp -> is(protocol, Protocol);
rule(Pid) when is_pid(Pid) -> is(ctrl, Pid);
rule(Rule) when is_function(Rule, 1) -> Rule.

-spec is(atom(), term()) -> fun((map()) -> boolean()).
is(Key, Value) ->
    fun(Info) -> maps:get(Key, Info) =:= Value end.

-spec all() -> [{Handle :: term(), Registered :: boolean()}].
all() ->
    Sockets = [Socket || {_, _, Lane} <- gosocket_names:running(), Socket <- sockets_of(Lane)],
    [{Handle, Registered} || {Handle, Registered, _Born} <- lists:reverse(lists:keysort(3, Sockets))].

-spec sockets_of(Lane :: pid()) -> [{Handle :: term(), Registered :: boolean(), Born :: integer()}].
sockets_of(Lane) ->
    case gosocket_wait:ask_lane(Lane, sockets) of
        {error, closed} -> [];
        Sockets -> Sockets
    end.

-spec protections() -> map().
protections() ->
    case gosocket_lanes:info(default) of
        #{protections := Protections} -> Protections;
        {error, _} -> #{}
    end.

-spec info() -> map().
info() ->
    Kinds = [gosocket_handle:kind(Handle) || {Handle, _} <- all()],
    #{debug => is_debug(debug),
      socket_debug => is_debug(socket_debug),
      use_registry => use(),
      iow => false,
      protections => protections(),
      counters => counters(Kinds)}.

-spec counters([tuple()]) -> #{atom() => non_neg_integer()}.
counters(Kinds) ->
    Count = fun(I, Value) -> length([K || K <- Kinds, element(I, K) =:= Value]) end,
    #{num_cnt_bits => 64,
      num_sockets => length(Kinds),
      num_tdgrams => Count(2, dgram),
      num_tstreams => Count(2, stream),
      num_tseqpkgs => Count(2, seqpacket),
      num_dlocal => Count(1, local),
      num_dinet => Count(1, inet),
      num_dinet6 => Count(1, inet6),
      num_pip => Count(3, ip),
      num_ptcp => Count(3, tcp),
      num_pudp => Count(3, udp),
      num_psctp => Count(3, sctp)}.
