%% Floods: more of everything than a helper may hold, by each way to it. Whoever is too many is told so, nobody else notices, the helper
%% lives, and goes on as soon as there is room again. Each tells its figure in the log (gosocket_test_flood).
-module(gosocket_limits_SUITE).

-export([
    more_sockets_than_allowed_are_emfile/1,
    more_waiting_calls_than_allowed_are_enobufs/1,
    more_selects_than_allowed_are_enobufs/1,
    calls_of_closed_sockets_give_their_places_back/1,
    more_payload_than_allowed_stays_with_its_senders/1,
    more_messages_than_allowed_are_enobufs/1,
    receives_that_gather_more_than_allowed_get_what_they_have/1,
    receives_in_parts_count_with_what_is_not_handed_over/1,
    more_descriptors_than_allowed_are_cut/1,
    more_memory_than_allowed_is_enomem/1,
    descriptors_are_as_many_as_the_hard_limit_allows/1
]).

-import(gosocket_test_flood, [alone/2, flood/2, crowd/3, calls/1]).

-define(OURS, []).
-define(BESIDE, gosocket_test_lib:cases(?MODULE) -- [descriptors_are_as_many_as_the_hard_limit_allows, nothing_is_left_behind]).
-define(ONE_LANE, [
    descriptors_are_as_many_as_the_hard_limit_allows,
    more_descriptors_than_allowed_are_cut,
    more_sockets_than_allowed_are_emfile
]).
-include("gosocket_test.hrl").

-define(MIB, 1048576).

%% As many as there is room for, and one more again after one is closed. How gets at one, which may be a socket or a descriptor.
-spec use_up(pos_integer(), fun((pos_integer()) -> {ok, socket()} | {error, term()})) -> gosocket_test_flood:flooded().
use_up(Count, How) ->
    Results = [How(Which) || Which <- lists:seq(1, Count)],
    [First | Others] = [Socket || {ok, Socket} <- Results],
    #{through => length(Others) + 1, refused => [Answer || {error, _} = Answer <- Results],
      release => fun() -> close([First]) end,
      again => fun() ->
          {ok, Again} = How(1),
          close([Again | Others]),
          true
      end}.

%% By each way to a socket. The others of a way are opened before it floods.
-spec ways_to_sockets() -> [{string(), fun((pos_integer()) -> gosocket_test_flood:flooded())}].
ways_to_sockets() ->
    [{"open", fun(Count) -> use_up(Count, fun(_) -> ?S:open(inet, dgram) end) end},
     {"accept", fun(Count) ->
         Listener = listener({inet, stream}),
         ok = ?S:listen(Listener, Count),
         #{port := Port} = local_address(Listener),
         %% from the VM: sockets of the helper would count
         Connect = fun() -> {ok, Client} = gen_tcp:connect({127, 0, 0, 1}, Port, []), Client end,
         Clients = [Connect() || _ <- lists:seq(1, Count)],
         Flooded = #{again := Again} = use_up(Count, fun(_) -> ?S:accept(Listener, ?PATIENCE) end),
         Flooded#{again := fun() ->
             Again(),
             [gen_tcp:close(Client) || Client <- Clients],
             close([Listener]),
             true
         end}
     end},
     {"open of a descriptor, with a duplicate", fun(Count) -> of_descriptor(Count, #{}) end},
     {"open of a descriptor that is shared", fun(Count) -> of_descriptor(Count, #{dup => false}) end},
     {"open of a descriptor of the VM", fun(Count) ->
         {ok, OfVM} = gen_udp:open(0, [{ip, {127, 0, 0, 1}}]),
         {ok, FD} = inet:getfd(OfVM),
         Flooded = #{again := Again} = use_up(Count, fun(_) -> ?S:open(FD, #{holder => vm}) end),
         Flooded#{again := fun() -> Again() andalso gen_udp:close(OfVM) =:= ok end}
     end}
     | [{"open in a namespace", fun(Count) -> use_up(Count, fun(_) -> ?S:open(inet, dgram, udp, #{netns => "/proc/self/ns/net"}) end) end}
        || ?S:is_supported(netns)]].

-spec of_descriptor(pos_integer(), gosocket:openfd_opts()) -> gosocket_test_flood:flooded().
of_descriptor(Count, Opts) ->
    {ok, Socket} = ?S:open(inet, dgram),
    FD = gosocket_test_fd:fd(Socket),
    Flooded = #{again := Again} = use_up(Count, fun(_) -> ?S:open(FD, Opts) end),
    Flooded#{again := fun() -> Again() andalso ?S:close(Socket) =:= ok end}.

%% Descriptors that came with messages, each of which becomes a socket.
-spec of_received(pos_integer()) -> gosocket_test_flood:flooded().
of_received(Count) ->
    {A, B} = pair({local, stream}),
    Flooded = #{again := Again} = use_up(Count, fun(_) ->
        ok = gosocket_test_fd:pass(A, [gosocket_test_fd:fd(A)]),
        [FD] = gosocket_test_fd:received(B),
        case ?S:open(FD, #{dup => false}) of
            {ok, Socket} -> {ok, Socket};
            {error, Reason} ->
                ok = ?S:close_fd(B, FD),
                {error, Reason}
        end
    end),
    Flooded#{again := fun() -> Again() andalso close({A, B}) =:= ok end}.

-spec more_sockets_than_allowed_are_emfile(config()) -> term().
more_sockets_than_allowed_are_emfile(_) ->
    Figures = alone({socket_limit, 300}, fun() ->
        [flood(Way, fun() -> Flood(500) end) || {Way, Flood} <- ways_to_sockets()]
            ++ [flood("open of a received descriptor", fun() -> of_received(500) end)]
    end),
    [?assertEqual({Way, Through, #{{error, emfile} => 500 - Through}}, {Way, Through, Refused})
     || #{way := Way, through := Through, refused := Refused} <- Figures],
    %% beside the pair of neighbours, and what the way needs
    Beside = #{"accept" => 1, "open of a descriptor, with a duplicate" => 1, "open of a descriptor that is shared" => 1,
               "open of a received descriptor" => 2},
    [?assertEqual({Way, 298 - maps:get(lists:nthtail(length("socket_limit 300, "), Way), Beside, 0)}, {Way, Through})
     || #{way := Way, through := Through} <- Figures].

-spec more_waiting_calls_than_allowed_are_enobufs(config()) -> term().
more_waiting_calls_than_allowed_are_enobufs(_) ->
    crowds({waiting_limit, 300}, infinity, enobufs).

-spec more_selects_than_allowed_are_enobufs(config()) -> term().
more_selects_than_allowed_are_enobufs(_) ->
    crowds({select_limit, 300}, nowait, enobufs).

%% Of each kind of call 500, of which 300 may wait.
-spec crowds({atom(), pos_integer()}, infinity | nowait, atom()) -> term().
crowds(Setting, Timeout, Reason) ->
    Figures = alone(Setting, fun() ->
        [begin
             #{refused := Told} = Figure = flood(Name, fun() -> crowd(500, fun(Which) -> Call(Timeout, Which) end, fun() -> close(Sockets) end) end),
             ?assertEqual({Name, #{Refused(Reason) => 200}}, {Name, Told}),
             Figure
         end || {Name, Call, Refused, Sockets} <- calls(500)]
    end),
    ?assertEqual([300 || _ <- lists:seq(1, 8)], [Through || #{through := Through} <- Figures]).

%% With their sockets, not with who waits; and who does not wait needs no place.
-spec calls_of_closed_sockets_give_their_places_back(config()) -> term().
calls_of_closed_sockets_give_their_places_back(_) ->
    gosocket_test_node:alone(fun() ->
        [ok = application:set_env(gosocket, Variable, 100) || Variable <- [waiting_limit, select_limit]],
        Sockets = [bound({inet, dgram}) || _ <- lists:seq(1, 20)],
        Calls = [start(fun() -> ?S:recv(Socket, 0) end) || Socket <- Sockets, _ <- lists:seq(1, 5)],
        wait_until(fun() -> maps:get(waiting, gosocket_metrics:statistics(default)) =:= 100 end),
        Armed = [{Socket, Select} || Socket <- [bound({inet, dgram}) || _ <- lists:seq(1, 100)], {select, Select} <- [?S:recvfrom(Socket, 0, nowait)]],
        ?assertEqual(100, length(Armed)),
        Last = lists:last(Sockets),
        ?assertEqual([{error, enobufs}, {error, timeout}, {error, enobufs}],
                     [?S:recv(Last, 0), ?S:recv(Last, 0, 0), ?S:recvfrom(Last, 0, nowait)]),
        {Cancelled, Select} = hd(Armed),
        ok = ?S:cancel(Cancelled, Select),
        {select, _} = ?S:recvfrom(Last, 0, nowait),
        close(lists:droplast(Sockets)),
        ?assertEqual({error, timeout}, result(start(fun() -> ?S:recv(Last, 0, 10) end))),
        close([Last | [Socket || {Socket, _} <- Armed]]),
        ?assertEqual([{error, closed}], lists:usort([result(Call) || Call <- Calls]))
    end).

%% ---- Payload

%% Streams: each sender gets it all through, by any call, and no more than the limit is with the helper at a time.
-spec more_payload_than_allowed_stays_with_its_senders(config()) -> term().
more_payload_than_allowed_stays_with_its_senders(_) ->
    Figures = alone({parked_limit, ?MIB}, fun() ->
        Data = random(?MIB),
        [flood(lists:flatten(io_lib:format("~s, ~p stream", [Way, Domain])), fun() -> streams(Domain, Data, Send) end)
         || Domain <- [inet, local],
            {Way, Send} <- [{"send", fun(A) -> ?S:send(A, Data) end},
                            {"send with a time-out", fun(A) -> ?S:send(A, Data, 4 * ?PATIENCE) end},
                            {"sendmsg", fun(A) -> send_all(A, Data, fun(Socket, Rest) -> ?S:sendmsg(Socket, #{iov => [Rest]}) end) end},
                            {"send, nowait", fun(A) -> send_all(A, Data, fun(Socket, Rest) -> ?S:send(Socket, Rest, nowait) end) end}]]
    end),
    [?assertEqual({Way, 20, #{}}, {Way, Through, Refused}) || #{way := Way, through := Through, refused := Refused} <- Figures].

-spec streams(inet | local, binary(), fun((socket()) -> ok)) -> gosocket_test_flood:flooded().
streams(Domain, Data, Send) ->
    Pairs = [pair({Domain, stream}) || _ <- lists:seq(1, 20)],
    Senders = [start(fun() -> Send(A) end) || {A, _} <- Pairs],
    [wait_until(fun() -> #{parked_bytes := Parked} = gosocket_metrics:statistics(default), Parked =< ?MIB end) || _ <- lists:seq(1, 50)],
    #{through => 20, refused => [],
      release => fun() ->
          Readers = [start(fun() -> {ok, Got} = ?S:recv(B, byte_size(Data)), Got =:= Data end) || {_, B} <- Pairs],
          ?assertEqual([ok], lists:usort([result(Sender, 4 * ?PATIENCE) || Sender <- Senders])),
          ?assertEqual([true], lists:usort([result(Reader, 4 * ?PATIENCE) || Reader <- Readers])),
          [close(Pair) || Pair <- Pairs]
      end,
      again => fun() -> maps:get(parked_bytes, gosocket_metrics:statistics(default)) =:= 0 end}.

-spec send_all(socket(), binary(), fun((socket(), binary()) -> term())) -> ok.
send_all(_, <<>>, _) ->
    ok;
send_all(Socket, Data, Send) ->
    case Send(Socket, Data) of
        ok -> ok;
        {ok, {Rest, {select_info, _, Ref}}} -> await(Socket, Ref), send_all(Socket, Rest, Send);
        {ok, Rest} -> send_all(Socket, iolist_to_binary(Rest), Send);
        {select, {select_info, _, Ref}} -> await(Socket, Ref), send_all(Socket, Data, Send)
    end.

-spec await(socket(), reference()) -> ok.
await(Socket, Ref) ->
    receive {'$socket', Socket, select, Ref} -> ok end.

%% Messages have to be there as a whole: those for which there is no room are refused.
-spec more_messages_than_allowed_are_enobufs(config()) -> term().
more_messages_than_allowed_are_enobufs(_) ->
    Size = 150000,
    Figures = alone({parked_limit, ?MIB}, fun() ->
        %% what comes with the call: smaller ones can be had again, and keep nothing where there is no room
        ok = application:set_env(gosocket, window, 65536),
        Message = random(Size),
        [flood(Way, fun() ->
             [Filler, Reader | Bound] = [bound({local, dgram}) || _ <- lists:seq(1, 102)],
             To = local_address(Reader),
             ok = ?S:connect(Filler, To),
             _ = fill(Filler),
             Senders = list_to_tuple(Bound),
             crowd(100, fun(Which) -> Send(element(Which, Senders), To) end, fun() -> close([Filler, Reader | Bound]) end)
         end)
         || {Way, Send} <- [{"sendto of messages", fun(Socket, To) -> ?S:sendto(Socket, Message, To) end},
                            {"sendmsg of messages", fun(Socket, To) -> ?S:sendmsg(Socket, #{addr => To, iov => [Message]}) end}]]
    end),
    ?assertMatch([#{refused := #{{error, {enobufs, Size}} := _} = One}, #{refused := #{{error, enobufs} := _} = Other}]
                   when map_size(One) =:= 1 andalso map_size(Other) =:= 1, Figures),
    [?assert(Through > 0 andalso Through * Size =< ?MIB) || #{through := Through} <- Figures].

%% Only recv of a length gathers; the others have a part as their result.
-spec receives_that_gather_more_than_allowed_get_what_they_have(config()) -> term().
receives_that_gather_more_than_allowed_get_what_they_have(_) ->
    %% larger ones are handed over in parts
    Part = random(40000),
    Figures = alone({unread_limit, 2 * ?MIB}, fun() ->
        [flood(lists:flatten(io_lib:format("~s, ~p", [Way, Kind])), fun() -> gathering(Kind, Part, Receive) end)
         || Kind <- [{inet, stream}, {local, stream}],
            {Way, Receive} <- [{"recv", fun(B) -> ?S:recv(B, 60000) end}, {"recv with a time-out", fun(B) -> ?S:recv(B, 60000, 2 * ?PATIENCE) end},
                               {"recvfrom", fun(B) -> ?S:recvfrom(B, 60000) end}, {"recvmsg", fun(B) -> ?S:recvmsg(B, 60000, 0) end}]]
    end),
    [begin
         Most = case string:find(Way, "recv,") =:= nomatch andalso string:find(Way, "recv with") =:= nomatch of
                    true -> 100;
                    false -> 2 * ?MIB div byte_size(Part)
                end,
         ?assertMatch({_, true, 100}, {Way, Through =< Most, Through + maps:get(enobufs, Refused, 0)}),
         ?assertEqual({Way, Most =:= 100}, {Way, Refused =:= #{}})
     end || #{way := Way, through := Through, refused := Refused} <- Figures].

%% Of more than 1 MiB what has come goes to its caller, part by part: the helper keeps, and counts, what is less than a part.
-spec receives_in_parts_count_with_what_is_not_handed_over(config()) -> term().
receives_in_parts_count_with_what_is_not_handed_over(_) ->
    Have = 1300000,
    Figures = alone({unread_limit, 2 * ?MIB}, fun() ->
        Part = random(Have),
        [flood(lists:flatten(io_lib:format("~s of ~b bytes that have ~b, ~p", [Way, 1500000, Have, Kind])), fun() -> gathering(Kind, Part, Receive) end)
         || Kind <- [{inet, stream}, {local, stream}],
            {Way, Receive} <- [{"recv", fun(B) -> ?S:recv(B, 1500000) end}, {"recv with a time-out", fun(B) -> ?S:recv(B, 1500000, 2 * ?PATIENCE) end}]]
    end),
    [?assertEqual({Way, 100}, {Way, Through + maps:get(enobufs, Refused, 0)}) || #{way := Way, through := Through, refused := Refused} <- Figures].

-spec gathering({inet | local, stream}, binary(), fun((socket()) -> term())) -> gosocket_test_flood:flooded().
gathering(Kind, Part, Receive) ->
    Pairs = [pair(Kind) || _ <- lists:seq(1, 100)],
    Readers = [start(fun() -> Receive(B) end) || {_, B} <- Pairs],
    [await_parked(B, num_readers, 1) || {_, B} <- Pairs],
    %% behind a reader that has its answer there may be no room for the rest
    Senders = [start(fun() -> ?S:send(A, Part) end) || {A, _} <- Pairs],
    wait_until(fun() ->
        lists:all(fun({{Sender, _}, {Reader, _}}) -> not (is_process_alive(Sender) andalso is_process_alive(Reader)) end, lists:zip(Senders, Readers))
    end),
    [ok = ?S:shutdown(A, write) || {A, _} <- Pairs],
    %% the bytes of a receive come in pieces, and the last of them may be one too many
    Results = [case result(Reader) of
                   {error, {Reason, Got}} -> {Reason, Got};
                   {ok, {undefined, Got}} -> {part, Got};
                   {ok, #{iov := [Got]}} -> {part, Got}
               end || Reader <- Readers],
    ?assertEqual([], [Got || {_, Got} <- Results, binary:part(Part, 0, byte_size(Got)) =/= Got]),
    Refused = [enobufs || {enobufs, _} <- Results],
    ?assertEqual([], [Other || {Other, _} <- Results, not lists:member(Other, [enobufs, closed, part])]),
    #{through => 100 - length(Refused), refused => Refused,
      release => fun() -> [close(Pair) || Pair <- Pairs] end,
      again => fun() -> maps:get(unread_bytes, gosocket_metrics:statistics(default)) =:= 0 end}.

%% ---- Descriptors

%% By messages with few of them and with many, in buffers that just have room for them, or for some, or of the size that is configured.
-spec more_descriptors_than_allowed_are_cut(config()) -> term().
more_descriptors_than_allowed_are_cut(_) ->
    Room = fun(FDs) -> 16 + 8 * ((4 * FDs + 7) div 8) end,
    Buffers = [{1, Room(1)}, {2, Room(2)}, {50, 0}, {50, Room(50)}, {252, 0}, {253, Room(253)}],
    Figures = alone({received_limit, 500}, fun() ->
        [flood(lists:flatten(io_lib:format("~b in a message, ~b bytes of control, ~p", [FDs, Bytes, Timeout])), fun() ->
             {A, B} = pair({local, stream}),
             ok = ?S:setopt(A, otp, sndctrlbuf, Room(253)),
             ok = ?S:setopt(B, otp, max_received_fds, 1 bsl 20),
             FD = gosocket_test_fd:fd(A),
             Receive = fun(Count) ->
                 ok = gosocket_test_fd:pass(A, lists:duplicate(Count, FD)),
                 {ok, #{ctrl := Ctrl, flags := Flags}} = ?S:recvmsg(B, 0, Bytes, [], Timeout),
                 {lists:append([gosocket_test_fd:carried(#{ctrl => [Message]}) || Message <- Ctrl]), Flags}
             end,
             Messages = [Receive(FDs) || _ <- lists:seq(1, 1000 div FDs)],
             Through = lists:append([Received || {Received, _} <- Messages]),
             Cut = [ctrunc || {Received, [ctrunc]} <- Messages, _ <- lists:seq(1, FDs - length(Received))],
             ?assertEqual([], [Message || {Received, Flags} = Message <- Messages, (length(Received) < FDs) =/= (Flags =:= [ctrunc])]),
             #{through => length(Through), refused => Cut,
               release => fun() -> ok = ?S:close_fd(B, hd(Through)) end,
               again => fun() ->
                   ?assertMatch({[_], []}, Receive(1)),
                   close({A, B}),
                   maps:get(received_fds, gosocket_metrics:statistics(default)) =:= 0
               end}
         end) || {FDs, Bytes} <- Buffers, Timeout <- [infinity, nowait]]
    end),
    ?assertEqual([500 || _ <- Figures], [Through || #{through := Through} <- Figures]),
    ?assertEqual([[ctrunc] || _ <- Figures], [maps:keys(Refused) || #{refused := Refused} <- Figures]).

%% ---- Memory

%% It is full of one thing, and nothing else has room then, by any call.
-spec more_memory_than_allowed_is_enomem(config()) -> term().
more_memory_than_allowed_is_enomem(_) ->
    Limit = 100 * ?MIB,
    [Open | Figures] = alone({memory_limit, Limit}, fun() ->
        Calls = calls(20),
        Listener = listener({inet, stream}),
        Address = local_address(Listener),
        Clients = [unconnected({inet, stream}) || _ <- [1, 2]],
        [ok = ?S:connect(Client, Address) || Client <- Clients],
        {ok, Server} = ?S:accept(Listener),
        Meta = random(200000),
        Here = self(),
        Filled = flood("open, each with 200 kB", fun() ->
            Sockets = open_till_refused(Meta, 2000),
            Here ! {full, [begin
                               Answers = [Call(Timeout, Which) || Which <- lists:seq(1, 20)],
                               {Name, Timeout, lists:usort(Answers) -- [Refused(enomem)]}
                           end || {Name, Call, Refused, _} <- Calls, Timeout <- [infinity, nowait], {Name, Timeout} =/= {"connect", nowait}]},
            Here ! {accept, ?S:accept(Listener, 0)},
            #{through => length(Sockets), refused => [{error, enomem}],
              release => fun() -> close(Sockets) end,
              again => fun() ->
                  case ?S:open(inet, dgram) of
                      {ok, Socket} -> close({Socket}) =:= ok;
                      {error, enomem} -> false
                  end
              end}
        end),
        ?assertEqual([], [Wrong || {_, _, [_ | _]} = Wrong <- receive {full, Told} -> Told end]),
        ?assertEqual({error, enomem}, receive {accept, Answer} -> Answer end),
        {ok, Second} = ?S:accept(Listener, ?PATIENCE),
        close([Second, Server, Listener | Clients] ++ lists:append([Sockets || {_, _, _, Sockets} <- Calls])),
        [Filled]
    end),
    ?assertEqual([], Figures),
    #{through := Through, refused := Refused, kib := {_, Peak, _}} = Open,
    ?assert(Through > 100 andalso Through < 1000),
    ?assertEqual(#{{error, enomem} => 1}, Refused),
    ?assert(Peak < 150 * 1024).

-spec open_till_refused(binary(), non_neg_integer()) -> [socket()].
open_till_refused(Meta, Left) when Left > 0 ->
    case ?S:open(inet, dgram) of
        {ok, Socket} ->
            ok = ?S:setopt(Socket, otp, meta, Meta),
            [Socket | open_till_refused(Meta, Left - 1)];
        {error, enomem} ->
            []
    end.

%% ---- The system's limit

%% RLIMIT_NOFILE, which is raised to the hard limit.
-spec descriptors_are_as_many_as_the_hard_limit_allows(config()) -> term().
descriptors_are_as_many_as_the_hard_limit_allows(Config) ->
    Script = gosocket_test_fd:write_script("soft", "ulimit -Sn 64; ulimit -Hn 300\nexec", Config),
    Figures = gosocket_test_fd:with_helper(Script, fun() ->
        [flood("descriptors, soft limit 64, hard limit 300, " ++ Way, fun() -> Flood(400) end)
         || {Way, Flood} <- ways_to_sockets(), Way =/= "open of a descriptor that is shared"]
    end),
    _ = gosocket_test_flood:say(Figures),
    [?assertEqual({Way, #{{error, emfile} => 400 - Through}}, {Way, Refused}) || #{way := Way, through := Through, refused := Refused} <- Figures],
    [?assert(Through > 250 andalso Through < 300) || #{through := Through} <- Figures].
