%% @doc A look inside: what lanes and their helpers count, always. A look costs one question to each lane and one to its helper;
%% lanes that do not run are not started for it.
%%
%% <pre>
%% gosocket_metrics:statistics().     % maps, for people and programs
%% gosocket_metrics:prometheus().     % the text that Prometheus reads
%% gosocket_metrics:poll().           % as events of telemetry, see docs/reliability.md
%% </pre>
-module(gosocket_metrics).

-export([statistics/0,
         statistics/1,
         prometheus/0,
         poll/0]).

%% For lanes.
-export([of_lane/3]).

-include("gosocket.hrl").

-export_type([statistics/0]).

%% What stands in it is a row of {@link rows/0} each, besides `calls' and `refusals', which have a number for each call and rule, and
%% `loops', a list of maps.
-type statistics() :: #{atom() => non_neg_integer() | #{atom() => non_neg_integer()} | [#{atom() => non_neg_integer()}]}.

%% @doc Of each lane that runs.
-spec statistics() -> [{gosocket_lanes:name(), statistics()}].
statistics() ->
    [{Name, Statistics} || {Name, Number, Lane} <- gosocket_names:running(), #{} = Statistics <- [look(Number, Lane)]].

%% @doc Of one; `closed' when it does not run. `default' is all default lanes together, with the loops of each, where these are several.
-spec statistics(gosocket_lanes:name()) -> statistics() | {error, closed}.
statistics(default) ->
    case [Statistics || {Name, Statistics} <- statistics(), Name =:= default orelse is_tuple(Name)] of
        [] -> {error, closed};
        [First | Others] -> lists:foldl(fun together/2, First, Others)
    end;
statistics(Name) ->
    %% the only default lane is `{default, 1}', too
    case [look(Number, Lane) || {Running, Number, Lane} <- gosocket_names:running(), Running =:= Name orelse {default, Number + 1} =:= Name] of
        [Statistics] -> Statistics;
        [] -> {error, closed}
    end.

-spec together(Statistics, Statistics) -> Statistics when Statistics :: statistics() | #{atom() => non_neg_integer()}.
together(One, Sum) ->
    maps:fold(fun(Key, Value, Others) -> Others#{Key => added(maps:get(Key, Others, none), Value)} end, Sum, One).

-spec added(Before, Value) -> Value when Before :: Value | none, Value :: non_neg_integer() | map() | list().
added(none, Value) -> Value;
added(Before, Value) when is_list(Value) -> Before ++ Value;
added(Before, Value) when is_map(Value) -> together(Value, Before);
added(Before, Value) -> Before + Value.

-spec look(Number :: non_neg_integer(), Lane :: pid()) -> statistics() | {error, closed}.
look(Number, Lane) ->
    case gosocket_wait:ask_lane(Lane, statistics) of
        #{} = OfLane ->
            case gosocket_wait:ask_helper(Lane, Number, {statistics}) of
                {ok, OfHelper} -> maps:merge(OfHelper, OfLane);
                {error, _} -> {error, closed}
            end;
        {error, closed} ->
            {error, closed}
    end.

%% @private
%% @doc What a lane tells of itself: Next is the number of its next request.
-spec of_lane(Next :: non_neg_integer(), Waiting :: non_neg_integer(), gosocket_handle:home()) -> #{atom() => non_neg_integer()}.
of_lane(Next, Waiting, {_Number, Incarnation}) ->
    [{message_queue_len, Queue}, {memory, Bytes}] = process_info(self(), [message_queue_len, memory]),
    #{requests => Next, calls_waiting => Waiting, queue => Queue, lane_memory_bytes => Bytes, starts => Incarnation}.

%% Key, name and kind for Prometheus, and what it is.
-spec rows() -> [{atom(), string(), counter | gauge, string()}].
rows() ->
    [{starts, "lane_starts_total", counter, "Times that a lane was started."},
     {requests, "lane_requests_total", counter, "Requests that the lane has numbered since it was started, modulo 2^31."},
     {calls_waiting, "lane_calls_waiting", gauge, "Calls that wait for their answer."},
     {queue, "lane_queue_messages", gauge, "Messages in the mailbox of the lane."},
     {lane_memory_bytes, "lane_memory_bytes", gauge, "Memory of the lane's process."},
     {reads, "helper_reads_total", counter, "Batches of requests that the helper has read."},
     {bytes_in, "helper_read_bytes_total", counter, "Bytes of these."},
     {writes, "helper_writes_total", counter, "Batches of answers that the helper has written."},
     {frames_out, "helper_frames_total", counter, "Answers and messages in these."},
     {bytes_out, "helper_written_bytes_total", counter, "Bytes of these."},
     {waits, "helper_waits_total", counter, "Times that a loop had nothing to do and waited."},
     {events, "helper_events_total", counter, "Events that loops were told of."},
     {sockets, "helper_sockets", gauge, "Sockets that are open."},
     {waiting, "helper_waiting_operations", gauge, "Operations that wait in the helper, without selects."},
     {selects, "helper_selects", gauge, "Selects that are armed or have fired."},
     {parked_bytes, "helper_parked_bytes", gauge, "Unsent payload that the helper keeps."},
     {unread_bytes, "helper_unread_bytes", gauge, "What waiting receives have gathered."},
     {received_fds, "helper_received_descriptors", gauge, "Descriptors that came with messages and were not opened."},
     {descriptors, "helper_descriptors", gauge, "Descriptors that the helper has made."},
     {memory_bytes, "helper_memory_bytes", gauge, "Memory that the helper has of the system."}].

%% Of each loop.
-spec loop_rows() -> [{atom(), string(), counter | gauge, string()}].
loop_rows() ->
    [{lag_max_ns, "helper_loop_lag_seconds", gauge, "The longest that a loop was busy between two looks for events, since the last look at this."},
     {busy_ns, "helper_loop_busy_seconds_total", counter, "Time that a loop was busy."},
     {queue, "helper_loop_timers", gauge, "Operations of a loop that have a time-out."}].

%% @doc The text format of Prometheus, with the label `lane', and `index' where there are several default lanes. Only one program at a time should read it: the greatest lag begins anew
%% with each look.
-spec prometheus() -> iodata().
prometheus() ->
    Lanes = [{label(Name), Statistics} || {Name, Statistics} <- statistics()],
    [[family(Row, [{["lane=", Lane], maps:get(Key, Statistics)} || {Lane, Statistics} <- Lanes]) || {Key, _, _, _} = Row <- rows()],
     family({calls, "helper_calls_total", counter, "Calls that the helper was asked for, by name."}, inner(calls, "call", Lanes)),
     family({refusals, "helper_refusals_total", counter, "What the allow-list has refused, by rule."}, inner(refusals, "rule", Lanes)),
     [family(Row, [{["lane=", Lane, ",loop=\"", integer_to_list(Index), $"], maps:get(Key, Loop)}
                   || {Lane, #{loops := Loops}} <- Lanes, {Index, Loop} <- lists:zip(lists:seq(0, length(Loops) - 1), Loops)])
      || {Key, _, _, _} = Row <- loop_rows()]].

-spec inner(calls | refusals, string(), [{iodata(), statistics()}]) -> [{iodata(), non_neg_integer()}].
inner(Key, Label, Lanes) ->
    [{["lane=", Lane, $,, Label, "=\"", atom_to_list(Name), $"], Count}
     || {Lane, #{Key := Counts}} <- Lanes, {Name, Count} <- lists:sort(maps:to_list(Counts))].

%% A family without values is left out.
-spec family({atom(), string(), counter | gauge, string()}, [{iodata(), non_neg_integer()}]) -> iodata().
family(_Row, []) ->
    [];
family({Key, Name, Kind, Help}, Values) ->
    ["# HELP gosocket_", Name, $\s, Help, "\n# TYPE gosocket_", Name, $\s, atom_to_list(Kind), $\n,
     [["gosocket_", Name, ${, Labels, "} ", value(Key, Value), $\n] || {Labels, Value} <- Values]].

-spec value(atom(), non_neg_integer()) -> string().
value(Key, Nanoseconds) when Key =:= lag_max_ns; Key =:= busy_ns -> io_lib:format("~.9f", [Nanoseconds / 1000000000]);
value(_, Value) -> integer_to_list(Value).

%% In quotation marks, with those and backslashes in it escaped. No other lane has the name of the default lanes.
-spec label(gosocket_lanes:name()) -> iodata().
label({default, Which}) -> ["\"default\",index=\"", integer_to_list(Which), $"];
label(Name) -> [$", [escape(Char) || Char <- unicode:characters_to_list(atom_to_binary(Name, utf8))], $"].

-spec escape(char()) -> iodata().
escape($") -> "\\\"";
escape($\\) -> "\\\\";
escape($\n) -> "\\n";
escape(Char) -> unicode:characters_to_binary([Char]).

%% @doc Tells the numbers of each lane that runs to `telemetry', as the event `[gosocket, lane, statistics]': for a poller.
-spec poll() -> ok.
poll() ->
    lists:foreach(fun({Name, Statistics}) ->
                          Loops = [Lag || #{lag_max_ns := Lag} <- maps:get(loops, Statistics)],
                          Numbers = maps:filter(fun(_, Value) -> is_integer(Value) end, Statistics),
                          gosocket_telemetry:event(statistics, Numbers#{lag_max_ns => lists:max([0 | Loops])}, #{lane => Name})
                  end, statistics()).
